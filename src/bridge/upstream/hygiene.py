"""Removes what a human cannot see from texts a model will read (C35). Pure.

Only the texts people are shown: a name is an identity and stays as it is. Joiners
(U+200C, U+200D) stay, because scripts and emoji need them.
"""

import re

from msgspec import Raw

from bridge.protocol.frame import raw, text

TEXT_SIZE = 65_536  # characters; an honest description is far shorter
_TEXTS = ("title", "description")
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # controls but tab and line ends
    "\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
    "\U000e0000-\U000e007f]"  # tags: whole sentences can hide in them
)


def cleaned(value: str) -> str:
    """The text without what cannot be seen, cut at `TEXT_SIZE`."""
    seen = _UNSEEN.sub("", value)
    return seen if len(seen) <= TEXT_SIZE else seen[: TEXT_SIZE - 1] + "\u2026"


def clean(members: dict[str, Raw]) -> bool:
    """Clean an entry's texts in place. False: they are clean and untouched."""
    changed = False
    for name in _TEXTS:
        value = text(members.get(name))
        if value is not None and (better := cleaned(value)) != value:
            members[name] = raw(better)
            changed = True
    return changed
