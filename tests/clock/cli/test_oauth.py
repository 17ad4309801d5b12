"""The commands of `bridge oauth`, over logins that do as a test says."""

import json
import os
from collections.abc import Callable, Iterator

import pytest
import trio

from bridge.cli import oauth
from bridge.cli.exit import CommandFailed
from bridge.cli.invocation import Invocation
from bridge.cli.logins import Show
from bridge.cli.oauth import Ask, log_in, log_out, show_status
from bridge.cli.remote import NoBridge
from bridge.observe.status import OAuthStatus

URL = "https://id.example/authorize?state=s"
REDIRECT = "http://127.0.0.1:8090/oauth/callback?code=c&state=s"
ASK = Ask(invocation=Invocation(environment={}))
FAR_FUTURE = 4e9


class Logins:
    """Says and does what it is told."""

    def __init__(self, *statuses: OAuthStatus, live: bool = False) -> None:
        self.live = live
        self.known = statuses
        self.asked: list[str] = []
        self.shown = OAuthStatus(name="a", state="login_pending", login_url=URL)
        self.delivers = [True]
        self._done = trio.Event()

    async def statuses(self) -> tuple[OAuthStatus, ...]:
        await trio.lowlevel.checkpoint()
        return self.known

    async def why_not(self, name: str) -> str:
        await trio.lowlevel.checkpoint()
        return f"no {name} here"

    async def log_in(self, name: str, *, force: bool, show: Show) -> OAuthStatus:
        self.asked.append(f"{'force' if force else 'login'} {name}")
        for _ in range(3):
            show(self.shown)
            await trio.lowlevel.checkpoint()
        if self.shown.login_url:
            await self._done.wait()
        return OAuthStatus(name=name, state="valid", expires_at=FAR_FUTURE)

    async def paste(self, name: str, pasted: str) -> bool:
        await trio.lowlevel.checkpoint()
        self.asked.append(f"paste {name} {pasted}")
        delivered = self.delivers.pop(0)
        if delivered:
            self._done.set()
        return delivered

    async def log_out(self, name: str) -> bool:
        await trio.lowlevel.checkpoint()
        self.asked.append(f"logout {name}")
        return name == "a"


VALID = OAuthStatus(name="a", state="valid", expires_at=FAR_FUTURE)
NO_END = OAuthStatus(name="a", state="valid")
ABSENT = OAuthStatus(name="b c", state="absent")


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Where logins are kept: in a running bridge, in a configuration, or both."""

    def keep(*, live: Logins | None = None, local: Logins | None = None) -> None:
        def here(_ask: Ask) -> Logins:
            if local is None:
                raise CommandFailed("no configuration")
            return local

        monkeypatch.setattr(oauth, "_running", lambda _ask: live)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
        monkeypatch.setattr(oauth, "_local", here)

    return keep


Said = pytest.CaptureFixture[str]


@pytest.mark.requirement("R112")
@pytest.mark.parametrize(
    ("status", "until"), [(VALID, " (the token is good until 2096-"), (NO_END, "; ")]
)
def test_a_good_token_is_left_alone_without_force(
    kept: Callable[..., None], capsys: Said, status: OAuthStatus, until: str
) -> None:
    logins = Logins(status)
    kept(local=logins)
    assert log_in(ASK, "a", force=False, paste=False, within=1) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"already logged in to 'a'{until}")
    assert "--force" in said
    assert logins.asked == []


@pytest.mark.parametrize(("force", "asked"), [(True, "force a"), (False, "login b c")])
def test_a_login_ends_with_its_expiry(
    kept: Callable[..., None], capsys: Said, asked: str, *, force: bool
) -> None:
    logins = Logins(VALID, ABSENT)
    logins.shown = OAuthStatus(name="a", state="login_pending")
    kept(local=logins)
    name = "a" if force else "b-c"
    assert log_in(ASK, name, force=force, paste=False, within=1) == 0
    assert logins.asked == [asked]
    assert "(the token is good until 2096-" in capsys.readouterr().out


def test_an_address_is_shown_once_and_a_login_in_time_only(
    kept: Callable[..., None], capsys: Said
) -> None:
    kept(local=Logins(ABSENT))
    with pytest.raises(CommandFailed, match=r"within 0\.05 s") as failure:
        log_in(ASK, "b c", force=False, paste=False, within=0.05)
    assert "goes on" not in failure.value.lines[0]
    out = capsys.readouterr().out.splitlines()
    assert out == ["to log in to 'a', open this address in a browser:", URL]
    kept(live=Logins(ABSENT, live=True))
    with pytest.raises(CommandFailed, match="it goes on in the running bridge"):
        log_in(ASK, "b c", force=False, paste=False, within=0.05)


class Stdin:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """What a person types, to its end."""
    opened: list[int] = []

    def type_in(text: str) -> None:
        ours, theirs = os.pipe()
        os.write(theirs, text.encode())
        os.close(theirs)
        opened.append(ours)
        monkeypatch.setattr("sys.stdin", Stdin(ours))

    yield type_in
    for descriptor in opened:
        os.close(descriptor)


@pytest.mark.requirement("R81")
def test_a_redirect_is_asked_for_until_one_is_good(
    kept: Callable[..., None], typed: Callable[[str], None], capsys: Said
) -> None:
    logins = Logins(ABSENT)
    logins.delivers = [False, True]
    kept(local=logins)
    typed(f"what?\n{REDIRECT}\n {REDIRECT}&iss=x \n")
    assert log_in(ASK, "b c", force=False, paste=True, within=5) == 0
    said = capsys.readouterr()
    assert "then paste the address the browser was sent to" in said.out
    assert "this is not the address a login ends at" in said.err
    assert "no login waits for this address" in said.err
    assert logins.asked == [
        "login b c",
        f"paste b c {REDIRECT}",
        f"paste b c {REDIRECT}&iss=x",
    ]


def test_an_input_that_ends_is_said_so(
    kept: Callable[..., None], typed: Callable[[str], None]
) -> None:
    kept(local=Logins(ABSENT))
    typed("")
    with pytest.raises(CommandFailed, match="the input ended"):
        log_in(ASK, "b c", force=False, paste=True, within=5)


@pytest.mark.requirement("R112")
def test_one_or_all_are_logged_out(kept: Callable[..., None], capsys: Said) -> None:
    logins = Logins(VALID, ABSENT)
    kept(live=logins)
    assert log_out(ASK, "a") == 0
    assert log_out(ASK, None) == 0
    assert logins.asked == ["logout a", "logout a", "logout b c"]
    assert capsys.readouterr().out.splitlines()[1:] == [
        "logged out of 'a'",
        "'b c' was not logged in",
    ]


@pytest.mark.requirement("R114")
@pytest.mark.parametrize(
    ("statuses", "server", "code"),
    [
        ((VALID,), None, 0),
        ((VALID, ABSENT), None, 1),
        ((VALID, ABSENT), "a", 0),
        ((VALID, ABSENT), "b-c", 1),
        ((), None, 0),
    ],
)
def test_the_status_of_a_script_is_zero_when_all_shown_is_valid(
    kept: Callable[..., None],
    capsys: Said,
    statuses: tuple[OAuthStatus, ...],
    server: str | None,
    code: int,
) -> None:
    kept(live=Logins(*statuses))
    assert show_status(ASK, server, form="table") == code
    text = capsys.readouterr().out
    assert text.isascii()
    assert ("| a " in text) == (VALID in statuses and server != "b-c")
    assert show_status(ASK, server, form="json") == code
    shown = json.loads(capsys.readouterr().out)["servers"]
    assert len(shown) == (1 if server else len(statuses))


@pytest.mark.requirement("R81")
def test_a_pending_login_stands_below_the_table(
    kept: Callable[..., None], capsys: Said
) -> None:
    pending = OAuthStatus(name="a", state="login_pending", login_url=URL)
    kept(live=Logins(pending))
    assert show_status(ASK, None, form="table") == 1
    assert capsys.readouterr().out.splitlines()[-1] == URL


def test_without_any_login_that_is_said(
    kept: Callable[..., None], capsys: Said
) -> None:
    kept(local=Logins())
    assert show_status(ASK, None, form="table") == 0
    assert log_out(ASK, None) == 0
    assert capsys.readouterr().out.splitlines() == [oauth.NOBODY] * 2


@pytest.mark.parametrize("elsewhere", [None, Logins(VALID)])
def test_a_name_nobody_knows_is_a_usage_error(
    kept: Callable[..., None], elsewhere: Logins | None
) -> None:
    kept(live=Logins(VALID), local=elsewhere)
    with pytest.raises(CommandFailed, match="no x here") as failure:
        show_status(ASK, "x", form="table")
    assert failure.value.status == 2


def test_a_bridge_with_another_configuration_is_named_and_done_without(
    kept: Callable[..., None], capsys: Said
) -> None:
    here = Logins(VALID)
    kept(live=Logins(ABSENT), local=here)
    assert log_out(ASK, "a") == 0
    assert here.asked == ["logout a"]
    said = capsys.readouterr().err
    assert "the running bridge has another configuration, without 'a'" in said


def test_a_port_nobody_listens_on_is_no_reason_to_do_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nobody(_target: object) -> None:
        raise NoBridge("no bridge on port 9")

    monkeypatch.setattr(oauth, "socket_of", nobody)
    with pytest.raises(NoBridge):
        show_status(Ask(invocation=ASK.invocation, port=9), None, form="table")
