"""What one upstream offers: the catalog as it was read, and what of it is served."""

from collections.abc import Callable

import msgspec

from bridge.contract.catalog import Catalog, Held
from bridge.contract.pins import Approved, singular
from bridge.contract.upstream import Approve, Call
from bridge.errors import BridgeError, FrameInvalid
from bridge.observe.logging import Log
from bridge.protocol.dialogue import Ask
from bridge.protocol.frame import Frame, members, request, text
from bridge.upstream import faults
from bridge.upstream.announcer import Announcer
from bridge.upstream.changes import compare
from bridge.upstream.pin_keeper import PinKeeper


class Offer:
    """Puts what may be served into the announcer's hands. Synchronous throughout.

    ``changed`` is called when what may be served has changed without a new catalog.
    """

    def __init__(
        self,
        announcer: Announcer,
        *,
        pins: PinKeeper | None,
        changed: Callable[[], None],
        log: Log,
    ) -> None:
        self._announcer = announcer
        self._pins = pins
        self._changed = changed
        self._log = log
        self._read = Catalog()
        self._held: frozenset[Held] = frozenset()
        if pins is not None:
            pins.changed = self._judge_again

    def read(self, catalog: Catalog) -> bool:
        """Take a catalog. False: nothing else is served than before."""
        known, self._read = self._read, catalog
        if known != catalog:
            compare(known, catalog, log=self._log)
        return self._serve()

    def approve(self, message: Approve) -> None:
        """Serve what is approved, from now on."""
        if self._pins is None:
            message.reply.resolve(Approved(misfits=message.wanted))
        elif self._pins.approve(message.wanted, message.reply):
            self._judge_again()

    def objection(self, call: Call) -> BridgeError | None:
        """Why a call may not be sent: its definition is held back."""
        if not self._held:
            return None
        held = named_in(call.frame)
        if held not in self._held:
            return None
        return faults.held_back(self._announcer.name, singular(held.kind), held.key)

    def withholds(self, ask: Ask) -> bool:
        """Whether a probe of the bridge's own is about what is held back."""
        return named_in(request(ask.method, ask.params, id=0)) in self._held

    def _judge_again(self) -> None:
        if self._serve():
            self._changed()

    def _serve(self) -> bool:
        catalog = self._read
        if self._pins is not None:
            catalog = self._pins.judge(catalog).served
        if catalog == self._announcer.catalog:
            return False
        self._announcer.catalog = catalog
        self._held = frozenset(catalog.held)
        return True


def named_in(frame: Frame) -> Held:
    """The definition a request is about, by its upstream's own name; a key of nobody's
    where it names none."""
    try:
        params = members(frame.params)
        if frame.method == "tools/call":
            return Held("tools", text(params.get("name")) or "")
        if frame.method == "completion/complete":
            params = members(params.get("ref", msgspec.UNSET))
    except FrameInvalid:
        return Held("prompts", "")
    return Held("prompts", text(params.get("name")) or "")
