"""Server names as they stand in addresses and paths (R25, R153)."""

import re
import unicodedata

_LONGEST = 100  # a file name of 255 bytes must also hold a prefix and a suffix


def slug(name: str) -> str:
    """The name in lower case, with only letters, digits, ``.``, ``_`` and ``-``.

    Empty when nothing is left. It never starts with a dot, so it is no hidden file
    and no way up.
    """
    plain = unicodedata.normalize("NFKD", name).casefold()
    joined = re.sub(r"[^a-z0-9._-]+", "-", plain)
    return joined.strip("-.")[:_LONGEST].strip("-.")
