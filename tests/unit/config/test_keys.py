"""Which keys differ: their names as the file spells them, and nothing of a value."""

from typing import Any

import pytest

from bridge.config.keys import changed_keys
from kit.configs import LOCAL, REMOTE, one_bridge, one_server


@pytest.mark.requirement("R140")
@pytest.mark.parametrize(
    ("before", "after", "keys"),
    [
        ({}, {}, ()),
        ({"args": ["a"]}, {"args": ["b"]}, ("args",)),
        ({"retryDelay": 1}, {"retry_delay": 2}, ("retryDelay",)),
        (
            {"env": {"A": "1", "B": "2"}},
            {"env": {"B": "2", "C": "3"}},
            ("env.A", "env.C"),
        ),
        ({"env": {"KEY": "1"}}, {"env": {"KEY": "2"}}, ("env.KEY",)),
        ({"healthCheck": {"interval": 1}}, {}, ("healthCheck.interval",)),
        ({"tags": ["a"]}, {"timeout": 5}, ("timeout", "tags")),
    ],
)
def test_a_local_server_differs_in(
    before: dict[str, Any], after: dict[str, Any], keys: tuple[str, ...]
) -> None:
    old, new = one_server({**LOCAL, **before}), one_server({**LOCAL, **after})
    assert changed_keys(old, new) == keys


def test_headers_and_credentials_are_named_and_not_shown() -> None:
    old = one_server({**REMOTE, "headers": {"X-Api-Key": "one-secret"}})
    new = one_server(
        {
            **REMOTE,
            "headers": {"X-Api-Key": "two-secret"},
            "oauth": {"enabled": True, "clientSecret": "three-secret"},
        }
    )
    keys = changed_keys(old, new)
    assert "headers.X-Api-Key" in keys
    assert {"oauth.enabled", "oauth.clientSecret"} <= {*keys} | {
        key.replace("client_secret", "clientSecret") for key in keys
    }
    assert "secret" not in " ".join(keys).lower().replace("clientsecret", "").replace(
        "client_secret", ""
    )


def test_the_bridge_section_is_compared_in_the_same_way() -> None:
    old = one_bridge({"pageSize": 1})
    new = one_bridge({"pageSize": 2, "limits": {"sessions": 3}})
    assert changed_keys(old, new) == ("limits.sessions", "pageSize")
