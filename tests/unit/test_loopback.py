"""One rule tells this machine from all others."""

import pytest

from bridge.loopback import is_loopback


@pytest.mark.requirement("R45", "R75", "D7")
@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST.", "127.0.0.1", "127.255.0.9", "::1", "[::1]"]
)
def test_this_machine_is_known_by_its_names(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.requirement("R45", "R75", "D7")
@pytest.mark.parametrize(
    "host",
    [
        "",
        "localhost.example",
        "a.localhost",
        "127.1",
        "128.0.0.1",
        "::",
        "::ffff:7f00:1",
        "::1%eth0",
    ],
)
def test_no_other_host_is_this_machine(host: str) -> None:
    assert not is_loopback(host)
