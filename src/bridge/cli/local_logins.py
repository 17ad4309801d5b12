"""The logins of a configuration, where no bridge runs: done by this command itself."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

import trio
from msgspec.structs import replace

from bridge.cli.exit import CommandFailed
from bridge.cli.login_view import explained
from bridge.cli.logins import Show
from bridge.cli.run import alongside
from bridge.contract.login import LoginDesk
from bridge.downstream.oauth_pages import no_login_for, query_of
from bridge.errors import OAuthError
from bridge.oauth.credential import Credential
from bridge.observe.status import OAuthStatus
from bridge.upstream.account import Account
from bridge.upstream.login import Invitation, Invite

#: After a login its browser is still to be shown how it ended.
LAST_PAGE = 5.0


class Desk(LoginDesk, Protocol):
    """The login listener, which somebody has to run."""

    @property
    def listening(self) -> bool: ...

    async def run(
        self, stopping: trio.Event, *, task_status: trio.TaskStatus[None] = ...
    ) -> None: ...


class LocalLogins:
    """Is `Logins`. ``accounts``: by name; ``knock`` gives the WWW-Authenticate of a
    server, if it has one; ``served`` names every server."""

    live = False

    def __init__(
        self,
        accounts: Mapping[str, Account],
        *,
        desk: Desk,
        knock: Callable[[str], Awaitable[str]],
        served: Sequence[str],
    ) -> None:
        self._accounts = accounts
        self._desk = desk
        self._knock = knock
        self._served = served

    async def statuses(self) -> tuple[OAuthStatus, ...]:
        return tuple([await self._status(name) for name in self._accounts])

    async def why_not(self, name: str) -> str:
        await trio.lowlevel.checkpoint()
        return no_login_for(name, known=[*self._accounts], served={*self._served})

    async def log_in(self, name: str, *, force: bool, show: Show) -> OAuthStatus:
        account = self._accounts[name]
        if not force and (renewed := await _renewed(account)) is not None:
            return _kept(name, account, renewed)
        header = await self._knock(name)
        invite = partial(_invite, name, show)
        begin = partial(self._attended, account, header, invite=invite)
        serve = partial(self._desk.run, trio.Event())
        try:
            credential = await alongside(begin, serve)
        except OAuthError as error:
            first, *more = explained(error)
            raise CommandFailed(f"not logged in to '{name}': {first}", *more) from error
        return _kept(name, account, credential)

    async def _attended(
        self, account: Account, header: str, *, invite: Invite
    ) -> Credential:
        try:
            credential = await account.log_in(header, invite=invite)
        except OAuthError:
            await self._closed()
            raise
        await self._closed()
        return credential

    async def _closed(self) -> None:
        with trio.move_on_after(LAST_PAGE):
            while self._desk.listening:  # noqa: ASYNC110 - once, at the end
                await trio.sleep(0.1)

    async def paste(self, name: str, pasted: str) -> bool:  # noqa: ARG002 - the seam's
        return await self._desk.deliver(query_of(pasted)) is not None

    async def log_out(self, name: str) -> bool:
        account = self._accounts[name]
        held = await account.stored.load()
        await account.log_out(held)
        if trouble := account.stored.trouble:
            raise CommandFailed(f"not logged out of '{name}': {trouble}")
        return held is not None

    async def _status(self, name: str) -> OAuthStatus:
        stored = self._accounts[name].stored
        status = _status_of(name, await stored.load())
        return replace(status, last_error=stored.trouble)


def _kept(name: str, account: Account, credential: Credential) -> OAuthStatus:
    """A login that ends with this process is none. Raises CommandFailed."""
    if account.stored.unsaved is None:
        return _status_of(name, credential)
    raise CommandFailed(
        f"not logged in to '{name}': there are tokens, but they cannot be kept: "
        f"{account.stored.trouble}"
    )


async def _renewed(account: Account) -> Credential | None:
    """New tokens without a person, where there is a refresh token that still works."""
    held = await account.stored.load()
    if held is None or not held.tokens.refresh_token:
        return None
    try:
        return await account.refresh(held)
    except OAuthError:
        return None  # the login that follows meets, and tells, the same trouble


def _status_of(name: str, held: Credential | None) -> OAuthStatus:
    if held is None or not held.tokens.access_token:
        return OAuthStatus(name=name, state="absent")
    return OAuthStatus(
        name=name,
        state="valid",
        expires_at=held.tokens.expires_at,
        scopes=tuple(held.tokens.scope.split()),
        issuer=held.issuer,
    )


def _invite(name: str, show: Show, invitation: Invitation | None) -> None:
    if invitation is None:
        return
    show(
        OAuthStatus(
            name=name,
            state="login_pending",
            login_url=invitation.url,
            user_code=invitation.user_code,
        )
    )
