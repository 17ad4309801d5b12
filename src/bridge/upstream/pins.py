"""Which definitions of an upstream may be shown and called: those approved. Pure.

Trust on first use: the definitions of the first list with anything in it are recorded,
each by the SHA-256 of its canonical text. From then on only what equals its record is
served. What has changed, and what is new, is held back until an operator approves that
very text; what goes back to its record is served again; what is removed just leaves,
and its record stays, so that it cannot come back as something else.

Tools and prompts are pinned: models read them as instructions, and calling them acts.
Resources and templates are data: they come and go, and are read on demand.
"""

from collections.abc import Iterable, Mapping

import msgspec
from msgspec.structs import replace

from bridge.contract.catalog import Catalog, Entry, Held
from bridge.contract.pins import Approval, PinnedKind
from bridge.upstream.canonical import canonical, digest

KINDS: tuple[PinnedKind, ...] = ("tools", "prompts")
#: Kind, and what the definition is called at its upstream.
Name = tuple[PinnedKind, str]
#: Of one definition, for people to compare: beyond it only the hash is kept.
TEXT_KEPT = 32 * 2**10

_NONE: Mapping[Name, "Pin"] = {}


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """One approved definition. ``text`` is for people and may be missing, the hash
    is what counts."""

    kind: PinnedKind
    key: str
    hash: str
    text: str = ""

    @property
    def name(self) -> Name:
        return self.kind, self.key


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """What has been approved of one upstream. ``opened``: the first use is over."""

    pins: Mapping[Name, Pin] = _NONE
    opened: bool = False


class HeldBack(msgspec.Struct, frozen=True, kw_only=True):
    """A definition that waits for approval, and the record it differs from."""

    offered: Pin
    approved: Pin | None = None  # None: it is new

    @property
    def why(self) -> str:
        return "new" if self.approved is None else "changed"


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What may be served of a catalog, and what waits."""

    served: Catalog
    held: tuple[HeldBack, ...] = ()


class Reader:
    """The pins of a catalog. What has not changed since the last one costs nothing."""

    def __init__(self) -> None:
        self._known: dict[Name, tuple[Entry, Pin]] = {}

    def pins(self, catalog: Catalog) -> dict[Name, Pin]:
        """Every pinned definition of a catalog, in its order."""
        before, self._known = self._known, {}
        for kind in KINDS:
            for entry in entries(catalog, kind):
                known = before.get((kind, entry.key))
                if known is None or known[0] != entry:
                    known = (entry, pin_of(kind, entry))
                self._known[kind, entry.key] = known
        return {name: pin for name, (_, pin) in self._known.items()}


def entries(catalog: Catalog, kind: PinnedKind) -> tuple[Entry, ...]:
    return catalog.tools if kind == "tools" else catalog.prompts


def pin_of(kind: PinnedKind, entry: Entry) -> Pin:
    """The record of a definition as it is now."""
    text = canonical(entry)
    shown = text if len(text) <= TEXT_KEPT else ""
    return Pin(kind=kind, key=entry.key, hash=digest(text), text=shown)


def first_use(pins: Mapping[Name, Pin]) -> Book:
    """Trust what is there. An empty list is no first use: nothing has been seen."""
    return Book(pins=dict(pins), opened=bool(pins))


def judge(book: Book, catalog: Catalog, pins: Mapping[Name, Pin]) -> Judgement:
    """``pins``: of this catalog. A book that is not opened has nothing to object."""
    if not book.opened:
        return Judgement(served=catalog)
    held = tuple(
        HeldBack(offered=pin, approved=book.pins.get(name))
        for name, pin in pins.items()
        if not is_approved(book, pin)
    )
    if not held:
        return Judgement(served=catalog)
    names = {each.offered.name for each in held}
    served = replace(
        catalog,
        tools=_without(catalog.tools, "tools", names),
        prompts=_without(catalog.prompts, "prompts", names),
        held=tuple(Held(each.offered.kind, each.offered.key) for each in held),
    )
    return Judgement(served=served, held=held)


def is_approved(book: Book, pin: Pin) -> bool:
    found = book.pins.get(pin.name)
    return found is not None and found.hash == pin.hash


def with_pins(book: Book, pins: Iterable[Pin]) -> Book:
    """The book, opened, with these records in place of older ones."""
    added = {pin.name: pin for pin in pins}
    return Book(pins={**book.pins, **added}, opened=True)


def approved(
    held: Iterable[HeldBack], wanted: Iterable[Approval]
) -> tuple[list[Pin], list[Approval]]:
    """The records these approvals make, and the approvals that fit nothing held.

    An approval is for one text: whatever has changed since it was shown does not fit.
    """
    waiting = {each.offered.name: each.offered for each in held}
    pins: list[Pin] = []
    misfits: list[Approval] = []
    for approval in wanted:
        pin = waiting.get((approval.kind, approval.key))
        if pin is not None and pin.hash == approval.hash:
            pins.append(pin)
        else:
            misfits.append(approval)
    return pins, misfits


def _without(
    offered: tuple[Entry, ...], kind: PinnedKind, names: set[Name]
) -> tuple[Entry, ...]:
    return tuple(entry for entry in offered if (kind, entry.key) not in names)
