"""Rules every test lives under: seeds of the simulator, no network, no hurry."""

import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parent
_MAY_USE_SOCKETS = ("interop", "conformance", "e2e")

# Machines that run many things at once are slow at random: time is no verdict here.
settings.register_profile(
    "bridge", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("bridge")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("simulator")
    group.addoption("--seeds", type=int, default=300, help="how many seeds to run")
    group.addoption("--seed", type=int, help="run this one seed and show its trace")


@pytest.fixture(autouse=True)
def _no_network(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R160: outside the folders named above no test reaches for the network."""
    folder = request.path.relative_to(ROOT).parts[0]
    if folder in _MAY_USE_SOCKETS or request.node.get_closest_marker("interop"):
        return
    monkeypatch.setattr(socket.socket, "connect", _refusing(socket.socket.connect))
    monkeypatch.setattr(socket.socket, "bind", _refusing(socket.socket.bind))


def _refusing(method: Any) -> Any:
    def refuse(self: socket.socket, *args: Any) -> Any:
        if self.family == socket.AF_UNIX:
            return method(self, *args)
        raise AssertionError("a test outside tests/interop asked for the network")

    return refuse
