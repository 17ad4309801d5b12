"""One epoch of an upstream: its link, its ids, and the bridge's own requests on it.

Thrown away with the link, so nothing of one epoch can leak into the next.
"""

import random  # noqa: TID251 - only the type; the generator is handed in
from collections.abc import Callable
from math import inf

import msgspec
import trio
from msgspec import Raw

from bridge.contract.principal import Principal
from bridge.errors import LinkError, LinkTimeout
from bridge.observe.status import RoundTrip
from bridge.protocol.codes import Code, error_frame
from bridge.protocol.dialogue import Ask, Told
from bridge.protocol.frame import Frame, notification, request
from bridge.protocol.handshake import Agreement
from bridge.upstream.alarms import Alarm, Alarms
from bridge.upstream.calls import answer_of
from bridge.wire.link import Link, Outgoing

_FIRST_ID = 2**31  # ids start anywhere below, so that none can be answered in advance
_ID_STRIDE = 2**12  # and go on in steps nobody else knows (C30)

Done = Callable[[Told | LinkError], None]


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """A request of the bridge itself; ``done`` is called once, or never at the end."""

    method: str
    due: float
    done: Done
    asked_at: float


class Connection:
    """The actor's side of one open link. Never waits."""

    def __init__(
        self, link: Link, *, epoch: int, rng: random.Random, alarms: Alarms
    ) -> None:
        self.link = link
        self.epoch = epoch
        self.agreement: Agreement | None = None
        self.principals: set[Principal] = set()  # whose calls this epoch has carried
        self.proved: RoundTrip | None = None  # the last own request it answered
        self.refused = 0  # frames of ours the link would not take
        self._rng = rng
        self._alarms = alarms
        self._last_id = rng.randrange(_FIRST_ID)
        self._errands: dict[int, Errand] = {}

    @property
    def errands(self) -> int:
        """How many own requests are open."""
        return len(self._errands)

    def offers(self, capability: str) -> bool:
        """The upstream declared this capability."""
        return self.agreement is not None and self.agreement.offers(capability)

    def mint(self) -> int:
        """An id this connection has not used."""
        self._last_id += 1 + self._rng.randrange(_ID_STRIDE)
        return self._last_id

    def ask(self, ask: Ask, *, due: float, done: Done) -> None:
        """Send a request of our own; ``done`` gets the answer or what went wrong."""
        upstream_id = self.mint()
        frame = request(ask.method, ask.params, id=upstream_id)
        try:
            self.link.send(Outgoing(frame, upstream_id=upstream_id))
        except LinkError as error:
            done(error)
            return
        asked_at = trio.current_time()
        errand = Errand(method=ask.method, due=due, done=done, asked_at=asked_at)
        self._errands[upstream_id] = errand
        self._alarms.no_later(Alarm.SWEEP, due)

    def notify(self, method: str, params: object | None = None) -> None:
        """Send a notification of our own."""
        self.pass_on(notification(method, params))

    def pass_on(self, frame: Frame) -> None:
        """Send a frame nobody waits for.

        A busy link refuses it, which is counted; a lost one raises the error it was
        lost by, of whatever kind, and says so in `receive`, too.
        """
        try:
            self.link.send(Outgoing(frame))
        except LinkError:
            self.refused += 1

    def respond(self, id: int | str, *, result: Raw | None, error: Raw | None) -> None:  # noqa: A002 - the wire's own word
        """Answer a request of the upstream."""
        if error is not None:
            self.pass_on(Frame(id=id, error=error))
        else:
            self.pass_on(Frame(id=id, result=result or Raw(b"{}")))

    def refuse(
        self,
        id: int | str,  # noqa: A002
        code: Code,
        message: str,
        *,
        data: object | None = None,
    ) -> None:
        """Answer a request of the upstream with an error."""
        self.pass_on(error_frame(id, code, message, data))

    def carry(self, principal: Principal) -> None:
        """Note whose call goes out; two tell already that no owner is certain."""
        if len(self.principals) < 2:  # noqa: PLR2004 - one, or more than one
            self.principals.add(principal)

    def settle(self, upstream_id: int, frame: Frame) -> bool:
        """Take an answer to an own request. False: there is no such request."""
        errand = self._errands.pop(upstream_id, None)
        if errand is None:
            return False
        now = trio.current_time()
        self.proved = RoundTrip(by=errand.method, at=now, took=now - errand.asked_at)
        result, error = answer_of(frame)
        errand.done(Told(result=result, error=error))
        return True

    def fail(self, upstream_id: int, error: LinkError) -> bool:
        """Take the failure of an own request. False: there is no such request."""
        errand = self._errands.pop(upstream_id, None)
        if errand is None:
            return False
        errand.done(error)
        return True

    def sweep(self, now: float) -> None:
        """Fail the own requests whose time is over, and tell the upstream."""
        late = [key for key, errand in self._errands.items() if errand.due <= now]
        for upstream_id in late:
            errand = self._errands.get(upstream_id)
            if errand is None:
                continue  # the one before ended the epoch
            method = errand.method
            if method != "initialize":  # may not be cancelled (MCP, cancellation)
                self.withdraw(upstream_id, "no answer in time")
            self.fail(upstream_id, LinkTimeout(f"no answer to {method} in time"))

    def withdraw(self, upstream_id: int, reason: str, *, unsaid: bool = False) -> None:
        """Tell the upstream that nobody waits for this answer any more.

        ``unsaid``: it has not heard of the request, and never will.
        """
        self.link.cancel(upstream_id)
        if unsaid:
            return
        params = {"requestId": upstream_id, "reason": reason}
        self.notify("notifications/cancelled", params)

    def next_due(self) -> float:
        """When the next own request is late."""
        return min((errand.due for errand in self._errands.values()), default=inf)

    def close(self) -> None:
        """The epoch is over: whoever asked is not told."""
        self._errands.clear()
