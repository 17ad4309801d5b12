"""What a new configuration changes."""

from typing import Any

import pytest

from bridge.config.diff import Difference, diff
from bridge.config.model import Config
from kit.configs import LOCAL, REMOTE, load


def config(servers: dict[str, Any], **bridge: Any) -> Config:
    return load(servers, bridge).config


def test_servers_are_added_removed_changed_or_left_alone() -> None:
    old = config({"gone": LOCAL, "same": LOCAL, "other": REMOTE})
    new = config({"same": LOCAL, "other": {**REMOTE, "timeout": 5}, "new": LOCAL})
    assert diff(old, new) == Difference(
        unchanged=("same",), added=("new",), removed=("gone",), changed=("other",)
    )


@pytest.mark.parametrize(
    "change",
    [
        {"url": "https://mcp.example.com/other"},
        {"headers": {"A": "b"}},
        {"transport": "sse"},
        {"oauth": {"enabled": True}},
        {"oauth": {"scopes": ["a"]}},
        {"healthCheck": {"interval": 1}},
        {"enabled": False},
        {"tags": ["a"]},
    ],
)
def test_any_key_of_a_server_counts_as_a_change(change: dict[str, Any]) -> None:
    difference = diff(config({"a": REMOTE}), config({"a": {**REMOTE, **change}}))
    assert difference.changed == ("a",)
    assert not difference.is_empty


def test_the_same_configuration_is_no_change() -> None:
    difference = diff(config({"a": LOCAL}, port=1), config({"a": LOCAL}, port=1))
    assert difference.is_empty
    assert difference.unchanged == ("a",)


def test_a_new_order_is_noticed_only_among_servers_that_stay() -> None:
    assert diff(config({"a": LOCAL, "b": LOCAL}), config({"b": LOCAL, "a": LOCAL})) == (
        Difference(unchanged=("b", "a"), reordered=True)
    )
    added_first = diff(config({"a": LOCAL}), config({"b": LOCAL, "a": LOCAL}))
    assert not added_first.reordered


@pytest.mark.parametrize(
    ("section", "live", "restart"),
    [
        ({"host": "::1", "port": 9}, (), ("host", "port")),
        ({"oauth_port": 9}, (), ("oauth_port",)),
        ({"limits": {"sessions": 9}}, (), ("limits",)),
        ({"conflictResolution": "first"}, ("conflictResolution",), ()),
        ({"separator": "-", "publicUrl": "https://b/"}, ("separator",), ("publicUrl",)),
    ],
)
def test_bridge_keys_are_taken_over_or_need_a_restart(
    section: dict[str, Any], live: tuple[str, ...], restart: tuple[str, ...]
) -> None:
    difference = diff(config({"a": LOCAL}), config({"a": LOCAL}, **section))
    assert (difference.live, difference.restart) == (live, restart)
    assert not difference.is_empty
