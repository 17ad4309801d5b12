"""Owns the pins of one upstream, within its actor.

Everything an actor's handlers ask is answered at once from memory. `PinKeeper.run`
reads the record before the upstream is connected, writes what is decided, and tries
again where the disk refuses: meanwhile memory counts. A record that cannot be read
means that nothing is approved.
"""

from collections.abc import Callable

import msgspec
import trio

from bridge.contract.catalog import Catalog
from bridge.contract.pins import Approval, Approved, shortened
from bridge.contract.upstream import ApprovalReply
from bridge.errors import StorageError
from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.observe.status import HeldStatus, PinStatus
from bridge.upstream.pin_shelf import PinShelf
from bridge.upstream.pins import (
    Book,
    HeldBack,
    Judgement,
    Name,
    Reader,
    approved,
    first_use,
    judge,
    with_pins,
)

RETRY = 30.0  # after a disk that refused
LAST_WRITE = 2.0  # at the end of the actor
_LOGGED = 20  # told one by one; the last line tells how many more there are
_KEY_SHOWN = 128
_NOT_YET = "the server was stopped before it could be written"

Publish = Callable[[PinStatus], None]


class _Asked(msgspec.Struct, frozen=True):
    """An approval in force whose asker wants to know whether it is written."""

    reply: ApprovalReply
    approved: tuple[Approval, ...]
    misfits: tuple[Approval, ...]


class PinKeeper:
    """The pins of one upstream. Only `run` waits.

    ``changed`` is called when what is approved has changed otherwise than by a call of
    these methods: judge again.
    """

    def __init__(
        self,
        shelf: PinShelf,
        *,
        name: str,
        publish: Publish,
        log: Log,
        edition: int = 0,
    ) -> None:
        self.changed: Callable[[], None] = _nobody
        self._shelf = shelf
        self._name = name
        self._edition = edition
        self._publish = publish
        self._log = log
        self._book = Book(opened=True)  # nothing is approved before it is read
        self._loaded = False
        self._reader = Reader()
        self._held: tuple[HeldBack, ...] = ()
        self._told: dict[Name, str] = {}  # by hash: what the log knows to be held
        self._trouble = ""
        self._work = trio.Event()
        self._asked: list[_Asked] = []

    def judge(self, catalog: Catalog) -> Judgement:
        """What of a catalog may be served."""
        pins = self._reader.pins(catalog)
        if self._loaded and not self._book.opened and pins:
            self._book = first_use(pins)
            self._shelf.trust(pins)
            self._work.set()
            self._log.emit(
                events.UPSTREAM_PINS_RECORDED,
                definitions=len(pins),
                file=str(self._shelf.path),
            )
        found = judge(self._book, catalog, pins)
        self._held = found.held
        self._tell_held()
        self._show()
        return found

    def approve(self, wanted: tuple[Approval, ...], reply: ApprovalReply) -> bool:
        """Approve what is held back. False: nothing of it is. ``reply`` hears when it
        is written, or why it is not; what is approved counts at once."""
        pins, misfits = approved(self._held, wanted)
        if pins:
            self._book = with_pins(self._book, pins)
            self._shelf.approve({pin.name: pin for pin in pins})
            for pin in pins:
                self._log.emit(
                    events.UPSTREAM_DEFINITION_APPROVED,
                    kind=pin.kind,
                    key=pin.key[:_KEY_SHOWN],
                    hash=shortened(pin.hash),
                )
        fits = tuple(each for each in wanted if each not in misfits)
        self._asked.append(_Asked(reply, fits, tuple(misfits)))
        self._work.set()
        return bool(pins)

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Read, then write whatever is decided; started once the record is read."""
        try:
            await self._load()
            task_status.started()
            while True:
                await self._settle()
                await self._wait()
        finally:
            with trio.move_on_after(LAST_WRITE, shield=True):
                await self._settle()
            self._answer()

    async def _wait(self) -> None:
        again = RETRY if self._shelf.unsaved or not self._loaded else None
        with trio.CancelScope() as pause:
            if again is not None:
                pause.deadline = trio.current_time() + again
            await self._work.wait()
        self._work = trio.Event()

    async def _load(self) -> None:
        try:
            self._book = await self._shelf.load()
        except StorageError as error:
            self._troubled(f"{error.public}; nothing is served until it can be read")
            return
        self._loaded = True

    async def _settle(self) -> None:
        """Memory and file become one; whoever asked for it hears what came of it."""
        if not self._loaded:
            await self._load()
            if self._loaded:
                self._well()
                self.changed()
        elif self._shelf.unsaved:
            await self._save()
        self._answer()

    async def _save(self) -> None:
        try:
            book = await self._shelf.save()
        except StorageError as error:
            self._troubled(f"{error.public}; kept in memory until it can be written")
            return
        self._well()
        if book != self._book:  # another bridge on this home was first
            self._book = book
            self.changed()

    def _answer(self) -> None:
        asked, self._asked = self._asked, []
        unsaved = _NOT_YET if self._shelf.unsaved else ""
        for each in asked:
            trouble = (self._trouble or unsaved) if each.approved else ""
            each.reply.resolve(
                Approved(approved=each.approved, misfits=each.misfits, trouble=trouble)
            )

    def _troubled(self, reason: str) -> None:
        if reason != self._trouble:  # once, however often it is tried again
            self._log.emit(
                events.UPSTREAM_PINS_UNSAVED, file=str(self._shelf.path), reason=reason
            )
        self._trouble = reason
        self._show()

    def _well(self) -> None:
        self._trouble = ""
        self._show()

    def _tell_held(self) -> None:
        """Each once: what is held, and again when it has become something else."""
        told, self._told = self._told, {}
        fresh: list[HeldBack] = []
        for each in self._held:
            self._told[each.offered.name] = each.offered.hash
            if told.get(each.offered.name) != each.offered.hash:
                fresh.append(each)
        for each in fresh[:_LOGGED]:
            old = "" if each.approved is None else each.approved.hash
            self._log.emit(
                events.UPSTREAM_DEFINITION_HELD_BACK,
                kind=each.offered.kind,
                key=each.offered.key[:_KEY_SHOWN],
                reason=each.why,
                old_hash=shortened(old),
                new_hash=shortened(each.offered.hash),
                more=max(len(fresh) - _LOGGED, 0),
            )

    def _show(self) -> None:
        self._publish(
            PinStatus(
                name=self._name,
                edition=self._edition,
                recorded=len(self._book.pins),
                trouble=self._trouble,
                held=tuple(map(_shown, self._held)),
            )
        )


def _nobody() -> None:
    """Nobody judges yet."""


def _shown(held: HeldBack) -> HeldStatus:
    before = held.approved
    return HeldStatus(
        kind=held.offered.kind,
        key=held.offered.key,
        why=held.why,
        hash=held.offered.hash,
        text=held.offered.text,
        approved_hash="" if before is None else before.hash,
        approved_text="" if before is None else before.text,
    )
