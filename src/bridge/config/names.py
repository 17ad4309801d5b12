"""Server names as they stand in addresses and paths (R25, R153)."""

import re
import unicodedata
from collections.abc import Iterable

_LONGEST = 100  # a file name of 255 bytes must also hold a prefix and a suffix


def slug(name: str) -> str:
    """The name in lower case, with only letters, digits, ``.``, ``_`` and ``-``.

    Empty when nothing is left. It never starts with a dot, so it is no hidden file
    and no way up.
    """
    plain = unicodedata.normalize("NFKD", name).casefold()
    joined = re.sub(r"[^a-z0-9._-]+", "-", plain)
    return joined.strip("-.")[:_LONGEST].strip("-.")


def named(wanted: str, names: Iterable[str]) -> str | None:
    """The server that is meant, by its name or by its name in addresses; None: no
    server is."""
    return next((name for name in names if wanted in (name, slug(name))), None)
