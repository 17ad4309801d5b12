"""Planted bugs of what keeps the bridge going: supervisor, reload, logins, the door."""

# pyright: reportPrivateUsage=false

from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from math import inf
from typing import Any
from unittest.mock import patch

import trio
from msgspec.structs import replace

from bridge.actor import lifetime, restart
from bridge.actor.child import ChildSpec
from bridge.actor.lifetime import Lifetime
from bridge.actor.restart import Quarantine, RestartHistory, Stop
from bridge.actor.supervisor import Supervisor
from bridge.config.model import UpstreamConfig
from bridge.contract.principal import ANONYMOUS
from bridge.contract.router import UpstreamUp
from bridge.downstream.guard import Admission, Guard
from bridge.fleet import Edition, Fleet
from bridge.oauth import lifecycle_events as moves
from bridge.oauth.credential import Credential
from bridge.observe import catalogue as events
from bridge.protocol.dialogue import Ask
from bridge.router.actor import RouterActor
from bridge.router.session import Session, Sessions
from bridge.router.table import RoutingTable
from bridge.upstream.account import Account
from bridge.upstream.connection import Connection, Done
from bridge.upstream.credentials import Credentials
from bridge.upstream.file_store import FileShelf
from bridge.upstream.lifecycle import Lifecycle
from bridge.upstream.stored_login import StoredLogin
from bridge.upstream.traffic import Traffic
from bridge.upstream.vitals import Vitals

Plant = Callable[[], AbstractContextManager[object]]

# --- the supervisor ---


def _crashes_are_final() -> AbstractContextManager[object]:
    decide = restart.decide

    def resigned(*args: Any, outcome: Any, **named: Any) -> Any:
        decision = decide(*args, outcome=outcome, **named)
        return Stop() if outcome.crashed else decision

    return patch.object(lifetime, "decide", resigned)


def _one_crash_spends_all() -> AbstractContextManager[object]:
    decide = restart.decide

    def spent(*args: Any, outcome: Any, **named: Any) -> Any:
        if outcome.crashed:
            return Quarantine(history=RestartHistory(), retry_in=None)
        return decide(*args, outcome=outcome, **named)

    return patch.object(lifetime, "decide", spent)


def _crashes_escape() -> AbstractContextManager[object]:
    async def open_door(self: Lifetime) -> None:
        await self.spec.start(self.context)

    return patch.object(Lifetime, "_run_once", open_door)


def _children_start_twice() -> AbstractContextManager[object]:
    add = Supervisor.add

    def twice(self: Supervisor, spec: ChildSpec) -> None:
        add(self, spec)
        if spec.id.startswith("upstream:") and self._nursery is not None:
            self._nursery.start_soon(spec.start, self._children[spec.id].context)

    return patch.object(Supervisor, "add", twice)


# --- calls ---


def _waiting_calls_are_lost() -> AbstractContextManager[object]:
    def forget(self: Traffic) -> None:
        self._calls.take_waiting()

    return patch.object(Traffic, "_keep_the_patient", forget)


def _failed_requests_are_forgotten() -> AbstractContextManager[object]:
    def silent(self: Traffic, upstream_id: int, _error: Any) -> bool:
        return self._calls.settle(upstream_id) is not None

    return patch.object(Traffic, "fail", silent)


def _ids_repeat() -> AbstractContextManager[object]:
    mint = Connection.mint

    def short(self: Connection) -> int:
        return mint(self) % 3

    return patch.object(Connection, "mint", short)


def _hangs_at_the_start_are_kept() -> AbstractContextManager[object]:
    """Both who would notice have no clock: the phase, and the request that waits."""

    def patient(_self: Lifecycle) -> None:
        """The phase may take as long as it likes."""

    ask = Connection.ask

    def endless(self: Connection, question: Ask, *, due: float, done: Done) -> None:
        ask(self, question, due=due if question.method == "ping" else inf, done=done)

    @contextmanager
    def both() -> Generator[None]:
        with (
            patch.object(Lifecycle, "overdue", patient),
            patch.object(Connection, "ask", endless),
        ):
            yield

    return both()


def _the_healthy_are_given_up() -> AbstractContextManager[object]:
    answered = Vitals.answered

    def gloomy(self: Vitals, *args: Any, **named: Any) -> None:
        answered(self, *args, **named)
        self._lost("it looked ill")

    return patch.object(Vitals, "answered", gloomy)


# --- the router ---


def _tools_have_another_owner() -> AbstractContextManager[object]:
    find = RoutingTable.find

    def confused(self: RoutingTable, kind: Any, name: str) -> Any:
        return find(self, kind, name.replace("git__", "shell__"))

    return patch.object(RoutingTable, "find", confused)


def _news_is_kept() -> AbstractContextManager[object]:
    def silent(_self: RouterActor) -> None:
        """Nobody is told of a new list."""

    return patch.object(RouterActor, "_notify_soon", silent)


def _successors_are_not_believed() -> AbstractContextManager[object]:
    def loyal(_self: RouterActor, message: UpstreamUp, _known: Any) -> bool:
        return message.address.edition > 0

    def deaf(_self: RouterActor, _address: Any) -> None:
        """Who comes after does not matter."""

    @contextmanager
    def both() -> Generator[None]:
        with (
            patch.object(RouterActor, "_is_past", loyal),
            patch.object(RouterActor, "_succeeded", deaf),
        ):
            yield

    return both()


def _sessions_are_anybodys() -> AbstractContextManager[object]:
    def naive(self: Sessions, session_id: str, _principal: Any) -> Session | None:
        return self._by_id.get(session_id)

    return patch.object(Sessions, "find", naive)


def _any_token_will_do() -> AbstractContextManager[object]:
    admit = Guard.admit

    async def lenient(self: Guard, request: Any) -> Admission:
        try:
            return await admit(self, request)
        except Exception:
            if request.header("authorization") is None:
                raise
            return Admission(principal=ANONYMOUS)

    return patch.object(Guard, "admit", lenient)


# --- reload ---


def _all_are_replaced() -> AbstractContextManager[object]:
    configure = Fleet.configure

    def eager(self: Fleet, upstreams: Iterable[UpstreamConfig]) -> None:
        for seat in self._seats.values():
            if seat.newest is not None:
                config = seat.newest.config
                seat.newest.config = replace(config, timeout=config.timeout + 1)
        configure(self, upstreams)

    return patch.object(Fleet, "configure", eager)


def _the_replaced_are_cut() -> AbstractContextManager[object]:
    dismiss = Fleet._dismiss

    def hasty(self: Fleet, seat: Any, edition: Edition, *, by: float, why: str) -> None:
        dismiss(self, seat, edition, by=min(by, trio.current_time()), why=why)

    return patch.object(Fleet, "_dismiss", hasty)


# --- logins ---


def _refreshes_run_at_once() -> AbstractContextManager[object]:
    perform = Credentials._perform

    def twice(self: Credentials, action: Any, nursery: trio.Nursery) -> None:
        perform(self, action, nursery)
        if isinstance(action, moves.PostRefresh):
            perform(self, action, nursery)

    @asynccontextmanager
    async def unlocked(_self: StoredLogin) -> AsyncGenerator[None]:
        await trio.lowlevel.checkpoint()
        yield

    @contextmanager
    def both() -> Generator[None]:
        with (
            patch.object(Credentials, "_perform", twice),
            patch.object(StoredLogin, "held", unlocked),
        ):
            yield

    return both()


def _tokens_are_not_stored() -> AbstractContextManager[object]:
    async def tomorrow(self: StoredLogin) -> None:
        await trio.lowlevel.checkpoint()
        self._waiting.credential = None
        self.exists = True

    return patch.object(StoredLogin, "save_again", tomorrow)


def _rotation_is_missed() -> AbstractContextManager[object]:
    answered = Account._answered

    async def stale(self: Account, base: Credential, steps: Any) -> Any:
        tokens = await answered(self, base, steps)
        old = base.tokens.refresh_token
        return replace(tokens, refresh_token=old) if old else tokens

    return patch.object(Account, "_answered", stale)


def _tokens_are_logged() -> AbstractContextManager[object]:
    def shown(self: StoredLogin, credential: Credential) -> Credential:
        token = credential.tokens.access_token
        self._log.emit(events.OAUTH_STORE_TROUBLE, file="tokens", reason=token)
        return credential

    return patch.object(StoredLogin, "hidden", shown)


def _tokens_go_elsewhere() -> AbstractContextManager[object]:
    newest: list[Credentials] = []

    def headers(self: Credentials) -> Any:
        if self._headers:
            newest.append(self)
        return newest[-1]._headers if newest else self._headers

    return patch.object(Credentials, "headers", headers)


def _files_are_half_written() -> AbstractContextManager[object]:
    save = FileShelf.save

    async def torn(self: FileShelf, credential: Credential) -> None:
        files, path = self._files, self._tokens
        await save(self, credential)
        data = await files.read(path)
        assert data is not None
        await files.replace(path, data[: len(data) // 2])

    return patch.object(FileShelf, "save", torn)


PLANTS: dict[str, Plant] = {
    "a crashed upstream is not started again": _crashes_are_final,
    "one crash uses up all restarts": _one_crash_spends_all,
    "a crash escapes its supervisor": _crashes_escape,
    "a part is started twice": _children_start_twice,
    "calls that wait are lost with the link": _waiting_calls_are_lost,
    "a request that fails is forgotten": _failed_requests_are_forgotten,
    "ids towards an upstream repeat": _ids_repeat,
    "a hang in the handshake is not found": _hangs_at_the_start_are_kept,
    "a healthy upstream is given up": _the_healthy_are_given_up,
    "a tool belongs to another upstream": _tools_have_another_owner,
    "nobody is told of new tools": _news_is_kept,
    "a successor is not believed": _successors_are_not_believed,
    "a session is anybody's": _sessions_are_anybodys,
    "the guard takes any token": _any_token_will_do,
    "a reload replaces what did not change": _all_are_replaced,
    "a reload cuts calls": _the_replaced_are_cut,
    "two refreshes run at once": _refreshes_run_at_once,
    "tokens are used and not stored": _tokens_are_not_stored,
    "a rotated refresh token is lost": _rotation_is_missed,
    "a token is logged": _tokens_are_logged,
    "a token goes to another upstream": _tokens_go_elsewhere,
    "a token file is written by half": _files_are_half_written,
}
