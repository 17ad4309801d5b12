"""Reading everything an upstream offers, to the last page. Pure.

What is malformed, too large, too deep or doubled is left out alone and reported; the
rest is kept as it was sent (C33 to C38). Names are not judged here beyond their size:
how a name is shown is the router's business. Those it cannot show as they are, are
reported, too. No reference within a schema is followed, and no pattern is run.
"""

import re
from collections.abc import Generator
from typing import Literal

import msgspec
from mcp_types import METHOD_NOT_FOUND
from msgspec import UNSET, Raw

from bridge.config.model import LimitsConfig
from bridge.contract.catalog import Catalog, Entry
from bridge.errors import FrameInvalid, ProtocolError
from bridge.protocol import header_annotation
from bridge.protocol.dialogue import Ask, Dialogue, Told
from bridge.protocol.frame import members, text
from bridge.protocol.handshake import Agreement
from bridge.upstream.hygiene import TEXT_SIZE, clean

KindName = Literal["tools", "prompts", "resources", "templates"]


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One of the lists: how it is asked for, and what identifies an entry."""

    name: KindName
    capability: str
    method: str
    member: str
    key: str
    key_size: int


KINDS = (
    Kind(
        name="tools",
        capability="tools",
        method="tools/list",
        member="tools",
        key="name",
        key_size=1024,
    ),
    Kind(
        name="prompts",
        capability="prompts",
        method="prompts/list",
        member="prompts",
        key="name",
        key_size=1024,
    ),
    Kind(
        name="resources",
        capability="resources",
        method="resources/list",
        member="resources",
        key="uri",
        key_size=8192,
    ),
    Kind(
        name="templates",
        capability="resources",
        method="resources/templates/list",
        member="resourceTemplates",
        key="uriTemplate",
        key_size=8192,
    ),
)


class DiscoveryLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Generous to honest servers, a bound to others. ``pages`` and ``items`` are of
    each list, ``total_size`` of all together; ``text_size`` is in characters."""

    pages: int = 100
    items: int = 10_000
    entry_size: int = 2**20
    total_size: int = 32 * 2**20
    depth: int = 128
    text_size: int = TEXT_SIZE


def listing_limits(limits: LimitsConfig) -> DiscoveryLimits:
    """The bounds as they are configured."""
    return DiscoveryLimits(
        pages=limits.list_pages,
        items=limits.list_entries,
        entry_size=limits.definition_bytes,
        total_size=limits.catalog_bytes,
        depth=limits.definition_depth,
        text_size=limits.description_characters,
    )


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """One thing left out. ``key`` is shortened foreign text."""

    kind: KindName
    reason: str
    key: str = ""


class Discovered(msgspec.Struct, frozen=True, kw_only=True):
    """What was read, what was left out, what was cleaned, and what cannot be shown
    under its own name."""

    catalog: Catalog
    skipped: tuple[Skipped, ...] = ()
    cleaned: tuple[str, ...] = ()  # keys of entries whose texts were cleaned
    irregular: tuple[str, ...] = ()  # names of tools and prompts


_SHOWN = 80
_REGULAR = re.compile(r"[A-Za-z0-9_.-]{1,128}")  # what clients take (C33)
#: Matching a URI costs a step per expression, for each template of every upstream.
_EXPRESSIONS = 16
_PLAIN_PAGE = 2**20  # up to here a page of commas does no harm
_BYTES_PER_COMMA = 8
_list = msgspec.json.Decoder(list[Raw])
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")


def depth_of(value: Raw) -> int:
    """How deep arrays and objects nest in valid JSON."""
    deepest = depth = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", bytes(value))):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def is_deeper(value: Raw, limit: int) -> bool:
    """Whether ``value`` nests deeper than ``limit``, cheaply for most."""
    octets = bytes(value)
    if octets.count(b"{") + octets.count(b"[") <= limit:
        return False
    return depth_of(value) > limit


class _Room:
    """How many bytes the catalog may still take."""

    def __init__(self, size: int) -> None:
        self._left = size

    def take(self, size: int) -> bool:
        """False: it is full."""
        self._left -= size
        return self._left >= 0


class _Reading:
    """The entries of one list as they come in."""

    def __init__(self, kind: Kind, limits: DiscoveryLimits, room: _Room) -> None:
        self.kind = kind
        self.limits = limits
        self._room = room
        self.entries: dict[str, Entry] = {}
        self.skipped: list[Skipped] = []
        self.cleaned: list[str] = []
        self._seen = 0

    def skip(self, reason: str, key: str = "") -> None:
        self.skipped.append(
            Skipped(kind=self.kind.name, reason=reason, key=key[:_SHOWN])
        )

    def page(self, items: list[Raw]) -> bool:
        """Take one page's entries. False: a limit is reached."""
        for item in items:
            self._seen += 1
            if self._seen > self.limits.items:
                self.skip("too many entries: the rest of the list is left out")
                return False
            if not self._room.take(len(bytes(item))):
                self.skip("too much in all: the rest of the list is left out")
                return False
            self._take(item)
        return True

    def _take(self, item: Raw) -> None:
        try:
            found = members(item)
        except FrameInvalid:
            self.skip("not an object")
            return
        key = text(found.get(self.kind.key))
        reason = self._objection(item, key) or self._annotated_wrongly(found)
        if key is None or reason:
            self.skip(reason, key or "")
            return
        if clean(found, size=self.limits.text_size):
            self.cleaned.append(key)
        self.entries[key] = Entry(key=key, members=found)

    def _objection(self, item: Raw, key: str | None) -> str:
        if not key:
            return f"no {self.kind.key}"
        if len(key) > self.kind.key_size:
            return f"{self.kind.key} too long"
        if key in self.entries:
            return f"doubled {self.kind.key}: the first one counts"
        if len(bytes(item)) > self.limits.entry_size:
            return "too large"
        if self.kind.name == "templates" and key.count("{") > _EXPRESSIONS:
            return f"more than {_EXPRESSIONS} expressions in a template"
        return "nested too deep" if is_deeper(item, self.limits.depth) else ""

    def _annotated_wrongly(self, found: dict[str, Raw]) -> str:
        if self.kind.name != "tools":
            return ""
        return header_annotation.objection(found.get("inputSchema"))


def _check_density(told: Told, kind: Kind) -> None:
    """A page of nothing but commas becomes an object per comma: refuse it unread.

    Entries of honest lists are tens of bytes long, their commas a few in a hundred.
    """
    page = b"" if told.result is None else bytes(told.result)
    if len(page) > _PLAIN_PAGE and page.count(b",") * _BYTES_PER_COMMA > len(page):
        raise ProtocolError(f"{kind.method} was answered with too many entries")


def _items_of(page: dict[str, Raw], kind: Kind) -> list[Raw]:
    try:
        return _list.decode(page.get(kind.member, Raw(b"null")))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"{kind.method} was answered without a list") from error


def _page_of(told: Told, kind: Kind) -> dict[str, Raw]:
    try:
        return members(told.result if told.result is not None else UNSET)
    except FrameInvalid as error:
        raise ProtocolError(f"{kind.method} was answered without a list") from error


def _read(kind: Kind, limits: DiscoveryLimits, room: _Room) -> Dialogue[_Reading]:
    """One list, to its last page."""
    reading = _Reading(kind, limits, room)
    cursor: str | None = None
    seen: set[str] = set()
    for _ in range(limits.pages):
        told = yield Ask(kind.method, None if cursor is None else {"cursor": cursor})
        if told.error is not None:
            _tolerate(told, reading)
            return reading
        _check_density(told, kind)
        page = _page_of(told, kind)
        cursor = text(page.get("nextCursor"))  # an empty one is a cursor, too
        if not reading.page(_items_of(page, kind)) or cursor is None:
            return reading
        if cursor in seen:
            reading.skip("the pages go round in a circle: stopped")
            return reading
        seen.add(cursor)
    reading.skip("too many pages: the rest of the list is left out")
    return reading


def _tolerate(told: Told, reading: _Reading) -> None:
    """A declared list that does not exist is an empty one; other errors are errors."""
    method = reading.kind.method
    if told.code != METHOD_NOT_FOUND:
        raise ProtocolError(f"{method} was answered with error {told.code}")
    reading.skip(f"{method} is declared but not known")


def discover(
    agreement: Agreement, limits: DiscoveryLimits | None = None
) -> Generator[Ask, Told, Discovered]:
    """Read all lists the upstream's capabilities allow.

    Raises `ProtocolError` when a list cannot be read at all.
    """
    readings: dict[KindName, _Reading] = {}
    bounds = limits or DiscoveryLimits()
    room = _Room(bounds.total_size)
    for kind in KINDS:
        if agreement.offers(kind.capability):
            readings[kind.name] = yield from _read(kind, bounds, room)

    def entries(name: KindName) -> tuple[Entry, ...]:
        return tuple(readings[name].entries.values()) if name in readings else ()

    return Discovered(
        catalog=Catalog(
            tools=entries("tools"),
            prompts=entries("prompts"),
            resources=entries("resources"),
            templates=entries("templates"),
            capabilities=agreement.capabilities,
            server_info=agreement.server_info,
            instructions=agreement.instructions,
            revision=agreement.revision,
        ),
        skipped=tuple(skip for read in readings.values() for skip in read.skipped),
        cleaned=tuple(key for read in readings.values() for key in read.cleaned),
        irregular=tuple(
            entry.key
            for entry in (*entries("tools"), *entries("prompts"))
            if _REGULAR.fullmatch(entry.key) is None
        ),
    )
