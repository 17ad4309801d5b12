"""Removes what a human cannot see from texts a model will read (C35). Pure.

Titles and descriptions, of the definition itself and of everything within its schemas
and arguments. A name, a default or one of the allowed values is an identity and stays
as it is. Joiners (U+200C, U+200D) stay, because scripts and emoji need them.
"""

import re

import msgspec
from msgspec import Raw

from bridge.protocol.frame import members, raw, text

TEXT_SIZE = 65_536  # characters; an honest description is far shorter
_TEXTS = frozenset({"title", "description"})
#: Members with such texts further inside.
_NESTED = ("inputSchema", "outputSchema", "annotations", "arguments")
_VALUES = frozenset({"const", "default", "enum", "examples"})
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # controls but tab and line ends
    "\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
    "\U000e0000-\U000e007f]"  # tags: whole sentences can hide in them
)
#: The same in JSON, as UTF-8 or escaped, and a little more: most have none of it.
_SUSPECT = re.compile(
    rb"\xe2\x80[\x8b\x8e\x8f\xaa-\xae]|\xe2\x81[\xa0-\xa9]|\xef\xbb\xbf"
    rb"|\xf3\xa0[\x80\x81]|\xc2[\x80-\x9f]|\x7f"
    rb"|\\(?:[bf]|u(?:00|20|[fF][eE][fF][fF]|[dD][bB]40))"
)
_list = msgspec.json.Decoder(list[Raw])


def cleaned(value: str, *, size: int = TEXT_SIZE) -> str:
    """The text without what cannot be seen, cut at ``size`` characters."""
    seen = _UNSEEN.sub("", value)
    return seen if len(seen) <= size else seen[: size - 1] + "\u2026"


def clean(entry: dict[str, Raw], *, size: int = TEXT_SIZE) -> bool:
    """Clean an entry's texts in place. False: they are clean and untouched.

    The entry is known to nest no deeper than recursion can follow.
    """
    changed = _clean_texts(entry, size)
    for name in _NESTED:
        value = entry.get(name)
        if value is None or not _is_suspect(value, size):
            continue
        better = _within(value, size)
        changed |= better is not value
        entry[name] = better
    return changed


def _is_suspect(value: Raw, size: int) -> bool:
    octets = bytes(value)
    return len(octets) > size or _SUSPECT.search(octets) is not None


def _clean_texts(found: dict[str, Raw], size: int) -> bool:
    changed = False
    for name in _TEXTS & found.keys():
        value = text(found[name])
        if value is not None and (better := cleaned(value, size=size)) != value:
            found[name] = raw(better)
            changed = True
    return changed


def _within(value: Raw, size: int) -> Raw:
    """The same value with clean texts; the very same where they were clean."""
    match bytes(value).lstrip()[:1]:
        case b"{":
            return _object(value, size)
        case b"[":
            items = _list.decode(value)
            better = [_within(item, size) for item in items]
            return value if _are_same(items, better) else raw(better)
        case _:
            return value


def _object(value: Raw, size: int) -> Raw:
    found = members(value)
    changed = _clean_texts(found, size)
    for name in found.keys() - _VALUES:
        better = _within(found[name], size)
        changed |= better is not found[name]
        found[name] = better
    return raw(found) if changed else value


def _are_same(one: list[Raw], other: list[Raw]) -> bool:
    return all(a is b for a, b in zip(one, other, strict=True))
