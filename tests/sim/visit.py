"""One session of a simulated client, whatever its transport: what it asks, hears, owes.

Every visit counts its request ids from 1, so that ids of different sessions clash.
"""

import random
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from math import inf
from typing import Any

import h11
import trio

from kit.browser import Browser, Headers
from kit.network import SimulatedNetwork
from sim.ledger import Asked, Ledger
from sim.trace import Trace

HOST, PORT = "127.0.0.1", 8080
#: What a connection that ends in the middle of something raises.
LOST = (
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    h11.ProtocolError,
    OSError,
)
#: No call may be open for longer, whatever happens to its upstream.
PATIENCE = 30.0
#: So long after its start the bridge has the steady upstream.
WARM = 1.0
#: A message needs so long at most from one end to the other.
UNDER_WAY = 0.15
JSON: Headers = (("content-type", "application/json"),)
HELLO: dict[str, Any] = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"sampling": {}},
    "clientInfo": {"name": "sim", "version": "1"},
}


class Stage:
    """What all visits of a run share."""

    def __init__(
        self, *, network: SimulatedNetwork, ledger: Ledger, trace: Trace
    ) -> None:
        self.network = network
        self.ledger = ledger
        self.trace = trace
        self.stopping_at: float | None = None
        #: A second signal has come: nothing is owed to anybody.
        self.cut = False
        #: Since when the bridge serves; infinite while it is dead.
        self.up_since = 0.0
        self._killed = False
        #: Of clients so far; they are no secret, and no authority.
        self.session_ids: list[str] = []
        #: Looks at everything a client is told.
        self.eavesdrop: Callable[[str], None] = lambda _text: None

    @property
    def stopping(self) -> bool:
        return self.stopping_at is not None

    @property
    def warm(self) -> bool:
        """The steady upstream has long been ready."""
        return trio.current_time() > self.up_since + WARM and not self.stopping

    def excuses(self, began: float) -> str:
        """Why what began then may be lost; empty: it may not."""
        if self.cut:
            return "cut by a second signal"
        lost = self._killed and began <= self.up_since + UNDER_WAY
        return "killed" if lost else ""

    def died(self) -> None:
        """The bridge was killed."""
        self.up_since = inf
        self._killed = True

    def rose(self) -> None:
        """It serves again."""
        self.up_since = trio.current_time()

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Browser]:
        """A connection to the bridge. Raises OSError."""
        stream = await self.network.connect(HOST, PORT)
        try:
            yield Browser(stream, host=f"{HOST}:{PORT}")
        finally:
            await trio.aclose_forcefully(stream)


def subject_of(marker: str) -> str:
    """The client that a visit or a call belongs to."""
    return marker.partition(".")[0]


class Refused(Exception):
    """The bridge does not open a session now; the argument is the status."""


class Visit(ABC):
    """One session: open it, act in it, leave it."""

    def __init__(
        self, name: str, *, stage: Stage, rng: random.Random, token: str | None
    ) -> None:
        self.name = name
        self.stage = stage
        self.rng = rng
        #: Whose questions it may hear; without tokens all are one principal.
        self._subject = None if token is None else subject_of(name)
        self.gone = False
        self.ended = False
        self.slow = False
        self.headers: Headers = (
            () if token is None else (("authorization", f"Bearer {token}"),)
        )
        self._nursery: trio.Nursery | None = None
        self._ids = 0
        self._began = trio.current_time()
        self._calls: dict[int, Asked] = {}
        self._cancelled: dict[int, float] = {}
        self._own: dict[int, trio.Event] = {}
        self._settled = trio.Event()
        self.told_of_change = trio.Event()
        self.listed: tuple[str, ...] = ()

    # --- the life of a session ---

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """The session, its hands shaken. Raises `Refused` or what is in `LOST`."""
        opened = False
        with trio.CancelScope() as scope:
            self._scope = scope
            async with self._connected():
                try:
                    await self.request("initialize", HELLO)
                    await self.tell({"method": "notifications/initialized"})
                    opened = True
                    yield
                finally:
                    self.leave("left")
        if not opened:
            raise Refused("its stream ended during the handshake")

    @abstractmethod
    def _connected(self) -> Any:
        """A context manager: the transport is there."""

    @abstractmethod
    async def tell(self, message: dict[str, Any]) -> None:
        """Send one message (without ``jsonrpc``); answers come to `heard`."""

    @abstractmethod
    def reset(self) -> None:
        """The network breaks this client's connections."""

    @abstractmethod
    async def farewell(self) -> None:
        """End the session in order."""

    def leave(self, why: str) -> None:
        """Nothing is owed to this session any more."""
        self.gone = True
        for asked in self._calls.values():
            self.stage.ledger.excuse(asked, why)

    # --- what a client does ---

    async def request(self, method: str, params: dict[str, Any] | None = None) -> None:
        """A request the bridge answers by itself; waits for the answer."""
        id_ = self._next_id()
        answered = self._own[id_] = trio.Event()
        await self.tell({"id": id_, "method": method, "params": params or {}})
        with trio.move_on_after(PATIENCE) as scope:
            await answered.wait()
        if scope.cancelled_caught and not self.ended:
            self.stage.trace.breach("answered", f"{self.name}: {method} got no answer")

    async def call(
        self, upstream: str, tool: str, *, steady: bool = False, progress: bool = False
    ) -> int:
        """Call a tool; the answer is judged when it comes. Returns the request's id."""
        id_ = self._next_id()
        marker = f"{self.name}.{id_}"
        asked = self.stage.ledger.ask(marker, visit=self.name, upstream=upstream)
        asked.must_succeed = steady and not self.slow and self.stage.warm
        self._calls[id_] = asked
        params: dict[str, Any] = {
            "name": f"{upstream}__{tool}",
            "arguments": {"marker": marker},
        }
        if progress:
            params["_meta"] = {"progressToken": id_}
        self.stage.trace.note(self.name, f"calls {upstream}__{tool} as {marker}")
        await self.tell({"id": id_, "method": "tools/call", "params": params})
        return id_

    async def cancel(self, id_: int) -> None:
        """Take a call back."""
        asked = self._calls[id_]
        if not asked.open:
            return
        self.stage.trace.fault(self.name, "client cancels")
        self.stage.ledger.excuse(asked, "cancelled")
        params = {"requestId": id_, "reason": "changed my mind"}
        await self.tell({"method": "notifications/cancelled", "params": params})
        if trio.current_time() - asked.at > UNDER_WAY:  # else it may overtake the call
            self._cancelled[id_] = trio.current_time()

    async def double(self) -> None:
        """Ask something else with the id of a call that is still open."""
        id_ = next((id_ for id_, asked in self._calls.items() if asked.open), None)
        if id_ is None:
            return
        self.stage.trace.fault(self.name, "id used twice")
        asked = self._calls[id_]
        asked.doubles += 1
        asked.must_succeed = False  # the first answer may be that of the double
        await self.tell({"id": id_, "method": "tools/list", "params": {}})

    @abstractmethod
    def fade(self) -> None:
        """Every line of this client goes dead, and nobody is told."""

    async def settle(self) -> None:
        """Wait until every call has its answer; none may take too long."""
        deadline = trio.current_time() + PATIENCE
        while self.owed and not self.ended:
            self._settled = trio.Event()
            with trio.move_on_at(deadline) as scope:
                await self._settled.wait()
            if scope.cancelled_caught:
                late = ", ".join(asked.marker for asked in self.owed)
                self.stage.trace.breach("answered", f"no answer in time: {late}")
                return

    @property
    def owed(self) -> list[Asked]:
        return [asked for asked in self._calls.values() if asked.open]

    def expect_success(self, *, of: int) -> None:
        """This call must get a result."""
        self._calls[of].must_succeed = True

    # --- what it hears ---

    def heard(self, message: dict[str, Any]) -> None:
        """One message of the bridge."""
        self.stage.eavesdrop(repr(message))
        if "method" not in message:
            self._response(message)
        elif "id" in message:
            self._question(message)
        elif message["method"] == "notifications/progress":
            self._progress(message["params"])
        elif message["method"] == "notifications/tools/list_changed":
            self.told_of_change.set()
        self._settled.set()

    def _response(self, message: dict[str, Any]) -> None:
        id_ = message["id"]
        if id_ in self._own:
            self._own[id_].set()
            self.listed = (
                tuple(
                    tool["name"] for tool in message.get("result", {}).get("tools", ())
                )
                or self.listed
            )
        elif id_ in self._calls:
            self.stage.ledger.answered(self._calls[id_], message)
            since = trio.current_time() - self._cancelled.get(id_, inf)
            doubled = self._calls[id_].doubles > 0
            if since > UNDER_WAY and not (self.slow or doubled):
                marker = self._calls[id_].marker
                self.stage.trace.breach("cancel", f"{marker} was answered all the same")
        else:
            self.stage.trace.breach("own answer", f"{self.name} never asked {id_!r}")

    def _progress(self, params: dict[str, Any]) -> None:
        self.stage.trace.counts["progress"] += 1
        asked = self._calls.get(params["progressToken"])
        if asked is None:
            self.stage.trace.breach("own answer", f"{self.name} got foreign progress")
        elif asked.answers > asked.doubles:
            self.stage.trace.breach("order", f"{asked.marker}: progress after answer")

    def _question(self, message: dict[str, Any]) -> None:
        marker = message["params"]["messages"][0]["content"]["text"]
        self.stage.trace.counts["questions"] += 1
        self.stage.trace.note(self.name, f"is asked about {marker}")
        if self._subject not in {None, subject_of(marker)}:
            self.stage.trace.breach("own question", f"{self.name} asked for {marker}")
        if self.rng.random() < 0.8 and self._nursery is not None:
            self._nursery.start_soon(self._answer, message["id"])

    async def _answer(self, id_: object) -> None:
        text = {"type": "text", "text": "yes"}
        result = {"role": "assistant", "content": text, "model": "none"}
        try:
            await self.tell({"id": id_, "result": result})
        except (Refused, *LOST):
            return  # the session ends, which its reader tells

    # --- its ends ---

    def refused(self, message: dict[str, Any], status: int) -> None:
        """An HTTP refusal of one message."""
        id_ = message.get("id")
        if id_ in self._own:
            raise Refused(status)
        if id_ in self._calls and "method" in message:
            self.stage.ledger.refused(self._calls[id_], status)
            self._settled.set()

    def lost(self, id_: int, how: str) -> None:
        """The connection that should bring this answer has ended."""
        asked = self._calls.get(id_)
        if id_ in self._own:
            self._own[id_].set()
        if asked is None or not asked.open:
            return
        began = self.stage.stopping_at
        if self.gone or self.slow:
            self.stage.ledger.excuse(asked, "lost")
        elif excuse := self.stage.excuses(asked.at):
            self.stage.ledger.excuse(asked, excuse)
        elif began is not None and asked.at >= began - UNDER_WAY:
            self.stage.ledger.excuse(asked, "after the stop")
        else:
            self.stage.trace.breach("answered", f"{asked.marker}: {how}")
            asked.excuse = "reported"
        self._settled.set()

    def finished(self, how: str, *, proper: bool) -> None:
        """The session's stream has ended."""
        self.ended = True
        self._settled.set()
        for event in self._own.values():
            event.set()
        self.stage.trace.note(self.name, f"stream ended: {how}")
        if self.gone:
            return
        if self.slow:
            self.stage.trace.fault(self.name, "slow reader cut")
            self.leave("did not read")
        elif excuse := self.stage.excuses(self._began):
            self.leave(excuse)
        elif not self.stage.stopping:
            self.stage.trace.breach("stream", f"{self.name} ended for no reason: {how}")
        elif not proper:
            self.stage.trace.breach("stream", f"{self.name} cut while stopping: {how}")
        for id_ in tuple(self._calls):
            self.lost(id_, f"its stream ended: {how}")
        self._scope.cancel()

    def _next_id(self) -> int:
        self._ids += 1
        return self._ids
