"""How many connections fit into the open files a process may have (E5)."""

import resource

import pytest

from bridge.cli.descriptors import OWN, raise_limit, room, with_room
from bridge.config.model import BridgeConfig, Config, LimitsConfig


class System:
    """A kernel with limits of its own."""

    def __init__(self, soft: int, hard: int, *, refuses: bool = False) -> None:
        self.limits = (soft, hard)
        self.refuses = refuses

    def get(self, which: int) -> tuple[int, int]:
        assert which == resource.RLIMIT_NOFILE
        return self.limits

    def set(self, which: int, limits: tuple[int, int]) -> None:
        assert which == resource.RLIMIT_NOFILE
        if self.refuses:
            raise ValueError("not allowed to raise maximum limit")
        self.limits = limits


def given(monkeypatch: pytest.MonkeyPatch, system: System) -> System:
    monkeypatch.setattr(resource, "getrlimit", system.get)
    monkeypatch.setattr(resource, "setrlimit", system.set)
    return system


def config(connections: int) -> Config:
    limits = LimitsConfig(connections=connections)
    return Config(bridge=BridgeConfig(limits=limits))


@pytest.mark.parametrize(
    ("allowed", "wanted", "kept_back", "connections"),
    [
        (5000, 4000, 100, 4000),
        (4100, 4000, 100, 4000),
        (4099, 4000, 100, 3999),
        (1024, 4000, 100, 924),
        (64, 4000, 100, 32),
        (1, 4000, 100, 1),
        (0, 4000, 100, 1),
    ],
)
@pytest.mark.requirement("E5")
def test_what_the_bridge_needs_itself_is_kept_back(
    *, allowed: int, wanted: int, kept_back: int, connections: int
) -> None:
    assert room(allowed, wanted=wanted, kept_back=kept_back) == connections


@pytest.mark.parametrize(
    ("soft", "hard", "allowed", "left"),
    [
        (1024, 4096, 2000, (2000, 4096)),
        (1024, 1500, 1500, (1500, 1500)),
        (1024, resource.RLIM_INFINITY, 2000, (2000, resource.RLIM_INFINITY)),
        (3000, 4096, 2000, (3000, 4096)),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, 2000, (-1, -1)),
    ],
)
def test_the_limit_is_raised_as_far_as_needed_and_no_further(
    monkeypatch: pytest.MonkeyPatch,
    *,
    soft: int,
    hard: int,
    allowed: int,
    left: tuple[int, int],
) -> None:
    system = given(monkeypatch, System(soft, hard))
    assert raise_limit(2000) == allowed
    assert system.limits == left


def test_a_limit_that_cannot_be_raised_is_lived_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given(monkeypatch, System(1024, 4096, refuses=True))
    assert raise_limit(2000) == 1024


def test_a_configuration_that_fits_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given(monkeypatch, System(1024, 4096))
    asked = config(1000)
    assert with_room(asked) == (asked, None)


def test_one_that_does_not_fit_is_cut_and_said_to_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given(monkeypatch, System(1024, 1024))
    cut, problem = with_room(config(4000))
    assert cut.bridge.limits.connections == 1024 - OWN
    assert problem is not None
    assert problem.path == "bridge.limits.connections"
    assert "992" in problem.reason
    assert "1024" in problem.reason
