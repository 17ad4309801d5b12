"""How logins are shown: the guide's table, its symbols, and what stands below it."""

import json
from datetime import UTC, timedelta, timezone
from io import StringIO

import pytest

from bridge.cli import login_view
from bridge.cli.login_view import (
    Verdict,
    as_json,
    expiry,
    explained,
    is_pending,
    notes,
    rows,
    verdict,
)
from bridge.cli.table import show_table, shows_signs
from bridge.errors import OAuthError
from bridge.observe.status import OAuthStatus

NOW = 1_705_000_000.0
URL = "https://id.example/authorize?client_id=c&state=s"
#: The guide's three servers; its times are read as UTC.
GUIDE = (
    OAuthStatus(name="production", state="valid", expires_at=1_705_329_000.0),
    OAuthStatus(name="staging", state="stale", expires_at=1_704_881_700.0),
    OAuthStatus(name="development", state="absent"),
)
TABLE = """\
╭─────────────┬──────────────┬─────────────────────╮
│ Server      │ OAuth Status │ Token Expiry        │
├─────────────┼──────────────┼─────────────────────┤
│ production  │ ✓ Valid      │ 2024-01-15 14:30:00 │
│ staging     │ ⚠ Expired    │ 2024-01-10 10:15:00 │
│ development │ ✗ No tokens  │ -                   │
╰─────────────┴──────────────┴─────────────────────╯
"""
PLAIN = """\
+--------------------------------------------------+
| Server      | OAuth Status | Token Expiry        |
|-------------+--------------+---------------------|
| production  | Valid        | 2024-01-15 14:30:00 |
| staging     | Expired      | 2024-01-10 10:15:00 |
| development | No tokens    | -                   |
+--------------------------------------------------+
"""


class Stream(StringIO):
    """A standard output with an encoding, at a terminal or not."""

    def __init__(self, encoding: str, *, terminal: bool) -> None:
        super().__init__()
        self._encoding = encoding
        self._terminal = terminal

    @property
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] - as a terminal says it
        return self._encoding

    def isatty(self) -> bool:
        return self._terminal


def shown(stream: Stream) -> str:
    table = rows(GUIDE, now=NOW, signs=shows_signs(stream), zone=UTC)
    show_table(login_view.COLUMNS, table, stream=stream)
    return stream.getvalue()


@pytest.mark.requirement("R114")
def test_on_a_terminal_the_table_is_that_of_the_guide(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "dumb")  # no colours: they are no characters
    assert shown(Stream("utf-8", terminal=True)) == TABLE


@pytest.mark.requirement("R114")
def test_outside_a_terminal_it_is_plain_ascii() -> None:
    text = shown(Stream("utf-8", terminal=False))
    assert text == PLAIN
    assert text.isascii()


@pytest.mark.requirement("R114")
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_on_a_terminal_that_cannot_show_it_it_is_ascii_too(
    monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert shown(Stream(encoding, terminal=True)).isascii()


@pytest.mark.parametrize(
    ("state", "ends", "worth"),
    [
        ("absent", None, Verdict.NO_TOKENS),
        ("valid", None, Verdict.VALID),
        ("valid", NOW + 1, Verdict.VALID),
        ("valid", NOW, Verdict.EXPIRED),
        ("stale", NOW - 1, Verdict.EXPIRED),
        ("stale", None, Verdict.EXPIRED),
        ("refreshing", NOW + 1, Verdict.VALID),
        ("refreshing", NOW - 1, Verdict.EXPIRED),
        ("refreshing", None, Verdict.EXPIRED),
        ("login_required", None, Verdict.NO_TOKENS),
        ("login_required", NOW + 1, Verdict.EXPIRED),
        ("login_pending", None, Verdict.NO_TOKENS),
        ("login_pending", NOW - 1, Verdict.EXPIRED),
        ("login_pending", NOW + 1, Verdict.VALID),
        ("a state of a newer bridge", None, Verdict.NO_TOKENS),
    ],
)
def test_a_login_is_worth_what_its_token_is_worth_now(
    state: str, ends: float | None, worth: Verdict
) -> None:
    status = OAuthStatus(name="a", state=state, expires_at=ends)
    assert verdict(status, now=NOW) is worth


@pytest.mark.requirement("R114")
@pytest.mark.parametrize(
    ("ends", "text"),
    [
        (None, "-"),
        (0.0, "1970-01-01 02:00:00"),
        (1_705_329_000.9, "2024-01-15 16:30:00"),
        (1e18, "9999-12-31 23:59:59"),
        (float("inf"), "9999-12-31 23:59:59"),
        (float("nan"), "9999-12-31 23:59:59"),
    ],
)
def test_an_expiry_is_a_local_time_or_a_dash(ends: float | None, text: str) -> None:
    assert expiry(ends, zone=timezone(timedelta(hours=2))) == text


def test_without_a_zone_an_expiry_is_that_of_this_machine() -> None:
    assert len(expiry(NOW)) == len("YYYY-MM-DD HH:MM:SS")


@pytest.mark.requirement("R81")
def test_below_the_table_stands_where_to_log_in() -> None:
    pending = OAuthStatus(name="a", state="login_pending", login_url=URL)
    device = OAuthStatus(
        name="b", state="login_pending", login_url=URL, user_code="WDJB-MJHT"
    )
    assert list(notes((pending, device), now=NOW)) == [
        "to log in to 'a', open this address in a browser:",
        URL,
        "to log in to 'b', type WDJB-MJHT at this address:",
        URL,
    ]


def test_below_the_table_stands_why_a_login_failed_unless_it_is_good_now() -> None:
    failed = OAuthStatus(name="a", state="login_required", last_error="denied")
    good = OAuthStatus(name="b", state="valid", last_error="a hiccup")
    assert list(notes((failed, good, GUIDE[2]), now=NOW)) == ["a: denied"]


@pytest.mark.parametrize(
    ("status", "pending"),
    [
        (OAuthStatus(name="a", state="login_pending"), True),
        (OAuthStatus(name="a", state="valid", login_url=URL), True),
        (OAuthStatus(name="a", state="valid", logging_in=True), True),
        (OAuthStatus(name="a", state="login_required"), False),
    ],
)
def test_a_login_is_pending_while_somebody_can_come(
    status: OAuthStatus, *, pending: bool
) -> None:
    assert is_pending(status) is pending


@pytest.mark.requirement("R112")
def test_programs_get_the_same_with_a_stable_word() -> None:
    said = json.loads(json.dumps(as_json(GUIDE, now=NOW)))
    assert [each["status"] for each in said["servers"]] == [
        "valid",
        "expired",
        "no_tokens",
    ]
    assert said["servers"][0]["expiresAt"] == 1_705_329_000.0
    assert said["count"] == 3


def test_an_error_says_what_was_asked_answered_broken_and_to_do() -> None:
    whole = OAuthError("it failed", asked="A", answered="B", rule="C", advice="D")
    assert explained(whole) == [
        "it failed",
        "  asked: A",
        "  answered: B",
        "  rule: C",
        "  what to do: D",
    ]
    assert explained(OAuthError("it failed")) == ["it failed"]
