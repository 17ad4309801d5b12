"""What may stand where an address is asked for. Pure; no name is ever looked up."""

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

import msgspec

from bridge.loopback import is_loopback

_HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?"
)
_LONGEST = 4096
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?", re.IGNORECASE)
_URI = re.compile(r"(?:[^%]|%[0-9A-Fa-f]{2})*")
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\x9f\\]")

WEB = ("https", "http")
SOCKET = ("wss", "ws")
_CLEAR = frozenset({"http", "ws"})


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """A URL that has passed."""

    scheme: str
    host: str
    query: str

    @property
    def encrypted(self) -> bool:
        return self.scheme not in _CLEAR

    @property
    def private(self) -> bool:
        """Encrypted, or it never leaves this machine."""
        return self.encrypted or is_loopback(self.host)


def parse_address(text: str, schemes: tuple[str, ...]) -> Address | str:
    """The address, or why it is none. The reason never repeats the text (R20)."""
    if _UNPRINTABLE.search(text):
        return "an address holds no white space, backslash or control code"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return "not an address: host or port cannot be read"
    if fault := _fault(parts, schemes, port):
        return fault
    return Address(scheme=parts.scheme, host=parts.hostname or "", query=parts.query)


def resource_fault(text: str) -> str:
    """Why an address that has passed cannot name a server as a resource (RFC 8707).

    Two readings of such a name would be one login for two servers.
    """
    host = urlsplit(text).hostname or ""
    if len(text) > _LONGEST:
        return f"longer than {_LONGEST} characters"
    if "%" in host:
        return "the address has a zone (%...), which only this machine knows"
    if _NUMBER.fullmatch(host) and not _is_ip(host):
        return "its host is a number with two readings; write the IP address in full"
    if not _URI.fullmatch(text):
        return "a '%' must be followed by two hexadecimal digits"
    return ""


def _fault(parts: SplitResult, schemes: tuple[str, ...], port: int | None) -> str:
    if parts.scheme not in schemes:
        return f"the address must start with {' or '.join(f'{s}://' for s in schemes)}"
    if not is_host(parts.hostname or ""):
        return "the address has no host that could exist"
    if port == 0:
        return "port 0 cannot be connected to"
    if parts.username is not None or parts.password is not None:
        return "the address holds a user or password; use headers or authentication"
    if parts.fragment:
        return "the address has a fragment (#...), which is never sent"
    return ""


def is_host(text: str) -> bool:
    """A name or an IP address; an IPv6 address without brackets."""
    return _is_ip(text) or _HOST_NAME.fullmatch(text) is not None


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
