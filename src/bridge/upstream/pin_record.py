"""The file of an upstream's pins: what stands in it, and how it is read. Pure.

``{"version": 1, "server": "files", "pins": [{"kind": "tools", "key": "read_file",
"hash": "<SHA-256>", "text": "<the definition>"}]}``. Texts are there to show what has
changed; they are bounded, and left out where they are too long.
"""

import re

import msgspec

from bridge.contract.pins import PinnedKind
from bridge.upstream.canonical import digest
from bridge.upstream.pins import Book, Pin

VERSION = 1
#: Of all texts in a file; one alone is bounded by `pins.TEXT_KEPT`.
TEXTS_KEPT = 4 * 2**20
#: 20,000 records without texts, with the longest keys in their longest spelling.
LARGEST_BYTES = 64 * 2**20

_HASH = re.compile(r"[0-9a-f]{64}")


class PinsInvalid(ValueError):
    """No file of pins that can be believed; the text says why."""


class _Pin(msgspec.Struct, kw_only=True, omit_defaults=True):
    kind: PinnedKind
    key: str
    hash: str
    text: str = ""


class _File(msgspec.Struct, kw_only=True):
    version: int
    server: str
    pins: list[_Pin]


class _Version(msgspec.Struct):
    version: int


_files = msgspec.json.Decoder(_File)
_versions = msgspec.json.Decoder(_Version)


def encode(book: Book, *, server: str) -> bytes:
    """The file of an opened book."""
    room = TEXTS_KEPT
    pins: list[_Pin] = []
    for pin in book.pins.values():
        text = pin.text if len(pin.text) <= room else ""
        room -= len(text)
        pins.append(_Pin(kind=pin.kind, key=pin.key, hash=pin.hash, text=text))
    found = _File(version=VERSION, server=server, pins=pins)
    return msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n"


def decode(data: bytes, *, server: str) -> Book:
    """The book of a file. Raises `PinsInvalid`."""
    try:
        version = _versions.decode(data).version
        if version != VERSION:
            raise PinsInvalid(f"it is of version {version}, not {VERSION}")
        found = _files.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PinsInvalid("it is damaged") from error
    if found.server != server:
        raise PinsInvalid("it belongs to another server")
    pins = [_pin(each) for each in found.pins]
    book = {pin.name: pin for pin in pins}
    if len(book) != len(pins):
        raise PinsInvalid("it holds a definition twice")
    return Book(pins=book, opened=True)


def _pin(found: _Pin) -> Pin:
    """A text that is not the one of the hash would mislead whoever compares."""
    if _HASH.fullmatch(found.hash) is None:
        raise PinsInvalid("it holds a hash that is none")
    text = found.text if digest(found.text) == found.hash else ""
    return Pin(kind=found.kind, key=found.key, hash=found.hash, text=text)
