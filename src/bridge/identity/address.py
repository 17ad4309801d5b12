"""Which addresses keys and metadata may be fetched from (pure)."""

import re
from urllib.parse import SplitResult, urlsplit

from bridge.loopback import is_loopback

_PRINTABLE = re.compile(r"[\x21-\x7e]{1,2048}")


def is_fetchable(url: str, *, loopback: bool = True) -> bool:
    """An https address, or plain http on loopback when ``loopback`` allows it.

    White space, control characters, user names and fragments are refused: the parser
    would drop or reinterpret them silently.
    """
    parts = _split(url)
    if parts is None or not parts.hostname:
        return False
    if "@" in parts.netloc or parts.fragment:
        return False
    if parts.scheme == "https":
        return True
    return parts.scheme == "http" and loopback and is_loopback(parts.hostname)


def is_on_loopback(url: str) -> bool:
    """Whether the host of an address is this machine."""
    parts = _split(url)
    return parts is not None and is_loopback(parts.hostname or "")


def _split(url: str) -> SplitResult | None:
    if not _PRINTABLE.fullmatch(url):
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where the port is no number
    except ValueError:
        return None
    return parts
