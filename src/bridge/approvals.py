"""Which definitions wait for approval, and the way to approve them."""

from collections.abc import Callable

import trio

from bridge.actor.mailbox import MailboxSealed
from bridge.actor.reply import Reply
from bridge.config import named
from bridge.contract.pins import Approval, Approved
from bridge.contract.upstream import Approve, UpstreamAddress
from bridge.observe.status import PinStatus

#: It waits for a lock of another process and a slow disk; then it counts in memory.
WITHIN = 15.0

_RESTARTING = "the server's part of the bridge is being restarted; try again"
_SLOW = "it is not written yet; the log tells when it fails"


class Approvals:
    """Is `bridge.contract.pins.PinControl`. ``address_of``: where an upstream is
    reached now, if it is there."""

    def __init__(self, address_of: Callable[[str], UpstreamAddress | None]) -> None:
        self._address_of = address_of
        self._statuses: dict[str, PinStatus] = {}

    def publish(self, status: PinStatus) -> None:
        """An upstream says how its pins stand; one that has a successor counts less."""
        known = self._statuses.get(status.name)
        if known is None or known.edition <= status.edition or self._is_past(known):
            self._statuses[status.name] = status

    def pins(self) -> tuple[PinStatus, ...]:
        return tuple(
            status
            for status in self._statuses.values()
            if status.pinned and not self._is_gone(status)
        )

    async def approve(self, name: str, wanted: tuple[Approval, ...]) -> Approved | None:
        found = named(name, (status.name for status in self.pins()))
        address = None if found is None else self._address_of(found)
        if address is None:
            return None
        answer = _Answer()
        reply = Reply[None, Approved](answer)
        try:
            address.mailbox.offer(Approve(wanted=wanted, reply=reply), counted=False)
        except MailboxSealed:
            return Approved(misfits=wanted, trouble=_RESTARTING)
        with trio.move_on_after(WITHIN):
            await answer.given.wait()
        reply.abandon()
        return answer.outcome or Approved(approved=wanted, trouble=_SLOW)

    def _is_gone(self, status: PinStatus) -> bool:
        return self._address_of(status.name) is None

    def _is_past(self, status: PinStatus) -> bool:
        """Nobody is there, or a name that came back counts its editions anew."""
        address = self._address_of(status.name)
        return address is None or address.edition < status.edition


class _Answer:
    """A reply's sink that can be waited for."""

    def __init__(self) -> None:
        self.outcome: Approved | None = None
        self.given = trio.Event()

    def tell(self, event: None) -> None:
        """There is no news on the way."""

    def finish(self, outcome: Approved) -> None:
        self.outcome = outcome
        self.given.set()
