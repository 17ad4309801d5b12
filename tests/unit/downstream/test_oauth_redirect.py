"""What a person pastes, as the query of a redirect."""

import pytest

from bridge.downstream.oauth_pages import query_of

BASE = "http://127.0.0.1:8090/oauth/callback"


@pytest.mark.parametrize(
    ("pasted", "query"),
    [
        (f"{BASE}?code=a&state=b", "code=a&state=b"),
        (f"  {BASE}?code=a&state=b&iss=https%3A%2F%2Fi#_=_\n", None),
        ("?error=access_denied&state=b", "error=access_denied&state=b"),
        ("/oauth/callback?state=b&code=a", "state=b&code=a"),
        ("code=a&state=b", "code=a&state=b"),
        ("code=a&state=b#x", "code=a&state=b"),
        (f"{BASE}?code=a", ""),
        (f"{BASE}?state=b", ""),
        (f"{BASE}", ""),
        ("https://id.example/authorize?response_type=code&state=b", ""),
        ("code=a?b&state=c&iss=https://i", ""),
        (f"{BASE}?code=a?b&state=c&iss=https://i", "code=a?b&state=c&iss=https://i"),
        ("", ""),
        ("hello", ""),
    ],
)
def test_a_redirect_is_known_by_what_it_holds(pasted: str, query: str | None) -> None:
    wanted = "code=a&state=b&iss=https%3A%2F%2Fi" if query is None else query
    assert query_of(pasted) == wanted
