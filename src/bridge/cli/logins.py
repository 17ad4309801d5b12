"""What `bridge oauth` works with: the logins of a running bridge, or of a file."""

from collections.abc import Callable
from typing import Protocol
from urllib.parse import quote

import msgspec
import trio

from bridge.cli.exit import CommandFailed
from bridge.cli.login_view import is_pending
from bridge.cli.remote import Conflict
from bridge.cli.report import decoded
from bridge.cli.table import printable
from bridge.config import slug
from bridge.observe.status import OAuthStatus

#: Between two looks at a login a person is busy with.
POLL = 0.3
#: A login that was asked for is under way, or has ended, well before this.
BEGINS_WITHIN = 20.0
#: Revocation asks the provider once; the tokens are erased whatever it says.
LOGGED_OUT_WITHIN = 30.0
#: The exchange of a code, which a pasted redirect waits for.
EXCHANGE = 60.0

Show = Callable[[OAuthStatus], None]


class Logins(Protocol):
    """Every method raises CommandFailed. ``name``: as in `statuses`."""

    @property
    def live(self) -> bool:
        """A running bridge keeps these logins."""
        ...

    async def statuses(self) -> tuple[OAuthStatus, ...]:
        """Every server that logs in with OAuth."""
        ...

    async def why_not(self, name: str) -> str:
        """Why there is no login of this name, and which there are."""
        ...

    async def log_in(self, name: str, *, force: bool, show: Show) -> OAuthStatus:
        """Log in, anew with ``force``; the status afterwards.

        ``show`` is told of the login while it waits for a person, maybe repeatedly.
        """
        ...

    async def paste(self, name: str, pasted: str) -> bool:
        """A redirect brought by hand. False: it belongs to no pending login, or is
        none, and another one may be brought."""
        ...

    async def log_out(self, name: str) -> bool:
        """Revoke and erase the tokens. False: there were none."""
        ...


class Asks(Protocol):
    """What is used of `ControlClient`."""

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        deadline: float = ...,
    ) -> bytes: ...


class _All(msgspec.Struct):
    servers: tuple[OAuthStatus, ...] = ()


class RemoteLogins:
    """Those of a running bridge, asked on its control socket."""

    live = True

    def __init__(self, client: Asks) -> None:
        self._client = client

    async def statuses(self) -> tuple[OAuthStatus, ...]:
        return decoded(await self._client.ask("GET", "/oauth"), _All).servers

    async def why_not(self, name: str) -> str:
        try:
            await self._status(name)
        except CommandFailed as refused:
            return " ".join(refused.lines)
        return f"'{name}' has just appeared; try again"

    async def log_in(self, name: str, *, force: bool, show: Show) -> OAuthStatus:
        before = await self._status(name)
        body = msgspec.json.encode({"force": force})
        await self._client.ask("POST", _path(name, "login"), body=body)
        watch = _Watch(before)
        began_by = trio.current_time() + BEGINS_WITHIN
        while not watch.sees_the_end(now := await self._status(name)):
            if is_pending(now):
                show(now)
            elif not watch.begun and trio.current_time() > began_by:
                raise _not_begun(now)
            await trio.sleep(POLL)
        if watch.is_good(now):
            return now
        reason = now.last_error or "the log of the bridge says why"
        raise CommandFailed(f"not logged in to '{name}': {printable(reason)}")

    async def paste(self, name: str, pasted: str) -> bool:
        try:
            await self._client.ask(
                "POST",
                _path(name, "redirect"),
                body=pasted.encode(),
                deadline=EXCHANGE,
            )
        except Conflict:
            return False
        return True

    async def log_out(self, name: str) -> bool:
        before = await self._status(name)
        await self._client.ask("POST", _path(name, "logout"))
        with trio.move_on_after(LOGGED_OUT_WITHIN):
            while _holds_tokens(await self._status(name)):  # noqa: ASYNC110 - asks anew
                await trio.sleep(POLL)
            return _holds_tokens(before)
        raise CommandFailed(
            f"'{name}' is not logged out after {LOGGED_OUT_WITHIN:g} s; "
            "the log of the bridge says why"
        )

    async def _status(self, name: str) -> OAuthStatus:
        return decoded(await self._client.ask("GET", _path(name)), OAuthStatus)


class _Watch:
    """Tells the end of a login from how things stood before it. Pure."""

    def __init__(self, before: OAuthStatus) -> None:
        self._before = before
        self.begun = is_pending(before)

    def sees_the_end(self, now: OAuthStatus) -> bool:
        before = self._before
        renewed = now.generation > before.generation
        counted = now.logins > before.logins
        self.begun |= is_pending(now) or renewed or counted
        return self.begun and not is_pending(now) and now.state != "refreshing"

    def is_good(self, now: OAuthStatus) -> bool:
        """There is a token, and not only the one of before."""
        newer = now.generation > self._before.generation
        return now.state == "valid" and (newer or self._before.state != "valid")


def _not_begun(status: OAuthStatus) -> CommandFailed:
    reason = f": {printable(status.last_error)}" if status.last_error else ""
    return CommandFailed(
        f"the login to '{status.name}' did not begin within {BEGINS_WITHIN:g} s{reason}"
    )


def _holds_tokens(status: OAuthStatus) -> bool:
    return status.state in {"valid", "refreshing", "stale"}


def _path(name: str, *verb: str) -> str:
    """The page of a server: by its name in addresses, which has no slash in it."""
    return "/".join(["/oauth", quote(slug(name) or name, safe=""), *verb])
