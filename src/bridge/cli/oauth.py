"""`bridge oauth`: log in, log out, see how logins stand; with or without a bridge."""

import sys
from functools import partial
from pathlib import Path

import click
import msgspec
import trio

from bridge.cli import login_view
from bridge.cli.control_client import ControlClient
from bridge.cli.exit import (
    EXIT_FAILED,
    EXIT_OK,
    EXIT_USAGE,
    CommandFailed,
    complain,
)
from bridge.cli.invocation import Invocation
from bridge.cli.login_view import Verdict, verdict
from bridge.cli.logins import Logins, RemoteLogins
from bridge.cli.remote import NoBridge, Target, socket_of
from bridge.cli.run import alongside, read_line, run
from bridge.cli.table import printable, show_json, show_table, shows_signs
from bridge.cli.workshop import open_workshop
from bridge.downstream.oauth_pages import (
    NO_SUCH_LOGIN,
    NOT_A_REDIRECT,
    find_login,
    query_of,
)
from bridge.observe.status import OAuthStatus
from bridge.system import SystemClock


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What every command of this group is given."""

    invocation: Invocation
    port: int | None = None
    browser: bool = True


def log_in(ask: Ask, server: str, *, force: bool, paste: bool, within: float) -> int:
    """Log in to ``server``; at most ``within`` seconds. The exit status."""
    return run(partial(_log_in, ask, server, force=force, paste=paste, within=within))


def log_out(ask: Ask, server: str | None) -> int:
    """Log out of ``server``, or of all without one. The exit status."""
    return run(partial(_log_out, ask, server))


def show_status(ask: Ask, server: str | None, *, form: str) -> int:
    """Show all logins, or one. The exit status: 0 when each is valid."""
    return run(partial(_show_status, ask, server, form=form))


async def _log_in(
    ask: Ask, server: str, *, force: bool, paste: bool, within: float
) -> int:
    logins, (status,) = await _found(ask, server)
    name = printable(status.name)
    if not force and verdict(status, now=_now()) is Verdict.VALID:
        click.echo(
            f"already logged in to '{name}'{_until(status)}; --force logs in anew"
        )
        return EXIT_OK
    person = Person(logins, status.name)
    begin = partial(logins.log_in, status.name, force=force, show=person.show)
    with trio.move_on_after(within):
        after = await (alongside(begin, person.bring) if paste else begin())
        click.echo(f"logged in to '{name}'{_until(after)}")
        return EXIT_OK
    goes_on = "; it goes on in the running bridge" if logins.live else ""
    raise CommandFailed(
        f"no login to '{name}' within {within:g} s{goes_on}",
        "  what to do: if the provider showed an error page, run "
        f"`bridge doctor {name}`; if nothing could come back here, use --paste",
    )


async def _log_out(ask: Ask, server: str | None) -> int:
    logins, statuses = await _found(ask, server)
    for status in statuses:
        name = printable(status.name)
        had = await logins.log_out(status.name)
        said = f"logged out of '{name}'" if had else f"'{name}' was not logged in"
        click.echo(said)
    if not statuses:
        click.echo(NOBODY)
    return EXIT_OK


async def _show_status(ask: Ask, server: str | None, *, form: str) -> int:
    _, statuses = await _found(ask, server)
    now = _now()
    if form == "json":
        show_json(login_view.as_json(statuses, now=now))
    elif statuses:
        signs = shows_signs(sys.stdout)
        rows = login_view.rows(statuses, now=now, signs=signs)
        show_table(login_view.COLUMNS, rows)
        for line in login_view.notes(statuses, now=now):
            click.echo(printable(line))
    else:
        click.echo(NOBODY)
    valid = all(verdict(each, now=now) is Verdict.VALID for each in statuses)
    return EXIT_OK if valid else EXIT_FAILED


NOBODY = "no server logs in with OAuth"


class Person:
    """Who logs in: is shown where to, and may bring the redirect by hand."""

    def __init__(self, logins: Logins, name: str) -> None:
        self._logins = logins
        self._name = name
        self._shown: tuple[str, str] = ("", "")
        self._invited = trio.Event()

    def show(self, status: OAuthStatus) -> None:
        """Print where to log in, once."""
        where = (status.login_url, status.user_code)
        if not status.login_url or where == self._shown:
            return
        self._shown = where
        for line in login_view.invitation(status):
            click.echo(printable(line))
        self._invited.set()

    async def bring(self) -> None:
        """Ask for the redirected address until one belongs to the login."""
        await self._invited.wait()
        click.echo(
            "then paste the address the browser was sent to (its page may show an "
            "error), and press Enter:"
        )
        while (pasted := await read_line(sys.stdin.fileno())) is not None:
            if not query_of(pasted):
                complain(NOT_A_REDIRECT)
            elif await self._logins.paste(self._name, pasted):
                return
            else:
                complain(NO_SUCH_LOGIN)
        raise CommandFailed("the input ended before the address was given")


async def _found(
    ask: Ask, server: str | None
) -> tuple[Logins, tuple[OAuthStatus, ...]]:
    """Where the logins are kept, and all of them, or the one of ``server``."""
    live = _running(ask)
    if live is None:
        return await _of_server(_local(ask), server)
    if server is not None and find_login(await live.statuses(), server) is None:
        return await _beside_a_bridge(ask, live, server)
    return await _of_server(live, server)


async def _of_server(
    logins: Logins, server: str | None
) -> tuple[Logins, tuple[OAuthStatus, ...]]:
    statuses = await logins.statuses()
    if server is None:
        return logins, statuses
    found = find_login(statuses, server)
    if found is None:
        raise CommandFailed(printable(await logins.why_not(server)), status=EXIT_USAGE)
    return logins, (found,)


async def _beside_a_bridge(
    ask: Ask, live: Logins, server: str
) -> tuple[Logins, tuple[OAuthStatus, ...]]:
    """The running bridge has no such login: perhaps the configuration here has."""
    try:
        local = _local(ask)
    except CommandFailed:
        return await _of_server(live, server)
    if find_login(await local.statuses(), server) is None:
        return await _of_server(live, server)
    complain(
        f"the running bridge has another configuration, without '{printable(server)}': "
        "this is done without it, by the configuration found here"
    )
    return await _of_server(local, server)


def _running(ask: Ask) -> RemoteLogins | None:
    """The logins of the running bridge; None when there is none."""
    try:
        path: Path = socket_of(Target(home=ask.invocation.home, port=ask.port))
    except NoBridge:
        if ask.port is not None:
            raise
        return None
    return RemoteLogins(ControlClient(path))


def _local(ask: Ask) -> Logins:
    return open_workshop(ask.invocation, browser=ask.browser).logins()


def _until(status: OAuthStatus) -> str:
    if status.expires_at is None:
        return ""
    return f" (the token is good until {login_view.expiry(status.expires_at)})"


def _now() -> float:
    return SystemClock().now()
