"""Which era of the protocol an HTTP request speaks (pure).

*Legacy* revisions shake hands and keep a session; *modern* ones (2026-07-28) carry
their metadata in each request.
"""

from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from msgspec import UNSET

from bridge.errors import FrameInvalid
from bridge.protocol.frame import Frame, members

VERSION_HEADER = "mcp-protocol-version"
_META_KEY = "io.modelcontextprotocol/protocolVersion"


def is_modern(frame: Frame, version: str | None) -> bool:
    """Whether a message is of the modern era, by its header or by its own ``_meta``."""
    return names_modern(version) or _has_meta_version(frame)


def names_modern(version: str | None) -> bool:
    return version in MODERN_PROTOCOL_VERSIONS


def names_unknown(version: str | None) -> bool:
    """A version header that no revision goes by."""
    known = version in HANDSHAKE_PROTOCOL_VERSIONS or names_modern(version)
    return version is not None and not known


def _has_meta_version(frame: Frame) -> bool:
    # A search through the bytes first: the key may also be part of an argument.
    if frame.params is UNSET or _META_KEY.encode() not in bytes(frame.params):
        return False
    try:
        return _META_KEY in members(members(frame.params).get("_meta", UNSET))
    except FrameInvalid:
        return False
