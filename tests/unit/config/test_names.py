"""Which server is meant by a name in an address."""

import pytest

from bridge.config.names import named

NAMES = ("My Server", "my-server-2", "Ünï", "***")


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [
        ("My Server", "My Server"),
        ("my-server", "My Server"),
        ("my-server-2", "my-server-2"),
        ("u-ni", "Ünï"),
        ("***", "***"),
        ("my server", None),
        ("MY-SERVER", None),
        ("other", None),
    ],
)
def test_a_server_is_found_by_its_name_or_by_that_of_its_address(
    wanted: str, meant: str | None
) -> None:
    assert named(wanted, NAMES) == meant


def test_the_first_one_is_meant_where_two_are_alike() -> None:
    assert named("a", ("A", "a")) == "A"
