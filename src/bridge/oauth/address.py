"""Which addresses OAuth may ask, open or name. Pure: no name is ever looked up.

Whatever passes is written anew from its parts, so that what was checked is what is
used. Where a name leads is checked on connecting (threats D7).
"""

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, quote, urlsplit

import msgspec

from bridge.errors import AddressRefused
from bridge.loopback import is_loopback

_MAX_LENGTH = 4096
# All of RFC 3986 may stand in an address; a shell's letters may not stand in one that
# is given to a browser (threats D6). `&` divides the parameters of a query.
_URI = re.compile(r"(?:[A-Za-z0-9._~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*")
_BROWSER_PATH = re.compile(r"(?:[A-Za-z0-9._~:/@+,=-]|%[0-9A-Fa-f]{2})*")
_BROWSER_QUERY = re.compile(r"(?:[A-Za-z0-9._~:/?@+,=&-]|%[0-9A-Fa-f]{2})*")
_AFTER_HOST = re.compile(r"[/?]")
_SAFE = "%:/?@!$&'()*+,;=~"
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_MAX_HOST = 253
_USER = re.compile(r"[^/]*@")
_SHOWN = 200  # letters of an address in an error
_DEFAULT_PORTS = {"https": 443, "http": 80}
_HTTP_OF = {"ws": "http", "wss": "https"}

_RULE = (
    "OAuth addresses are https, plain http on this machine only (RFC 8414, RFC 6749)"
)
_ADVICE = "have the provider publish https addresses without user names and fragments"


class _Parts(msgspec.Struct, frozen=True):
    scheme: str
    host: str
    port: int | None  # None: the default
    path: str
    query: str

    @property
    def origin(self) -> str:
        bracketed = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        return f"{self.scheme}://{bracketed}{port}"

    @property
    def url(self) -> str:
        query = f"?{self.query}" if self.query else ""
        return f"{self.origin}{self.path}{query}"


class _BadAddress(Exception):
    """Why a text is no address; never repeats the text."""


def http_url(url: str) -> str:
    """The address with ``ws`` and ``wss`` written as ``http`` and ``https``."""
    scheme, colon, rest = url.partition(":")
    return f"{_HTTP_OF.get(scheme.lower(), scheme)}{colon}{rest}"


def canonical_resource(url: str) -> str:
    """The name of a server as a resource (RFC 8707, RFC 9728).

    No fragment, no trailing slash, scheme and host in lower case, no default port;
    a query stays, as it is part of the name. Raises `AddressRefused` if it is none.
    """
    try:
        parts = _split(_encoded(url))
    except _BadAddress as bad:
        raise refusal("server address", url, str(bad)) from None
    return msgspec.structs.replace(parts, path=parts.path.rstrip("/")).url


def origin_of(url: str) -> str:
    """``scheme://host[:port]`` of an address, as `canonical_resource` writes it.

    Raises `AddressRefused`.
    """
    try:
        return _split(_encoded(url)).origin
    except _BadAddress as bad:
        raise refusal("address", url, str(bad)) from None


def host_of(url: str) -> str:
    """The host of an address, in lower case, without brackets; empty: it has none."""
    return urlsplit(url).hostname or ""


def check_endpoint(url: str, *, what: str) -> str:
    """An address that may be asked, written anew: https, or http on loopback.

    Raises `AddressRefused`, which names ``what`` it is an address of, for any other
    scheme, user names, fragments, and text that could be read in two ways.
    """
    return _checked_for(what, url).url


def for_browser(url: str) -> str:
    """An address that may be opened in a browser (threats D6), written anew.

    Raises `AddressRefused`: besides what `check_endpoint` refuses, any letter that
    could mean something to a shell.
    """
    parts = _checked_for("authorization address", url)
    plain = _BROWSER_PATH.fullmatch(parts.path) and _BROWSER_QUERY.fullmatch(
        parts.query
    )
    if not plain:
        why = "it holds characters a shell would act on"
        raise refusal("authorization address", url, why)
    return parts.url


def refusal(what: str, url: str, why: str) -> AddressRefused:
    """The error for an address; shows it without query, printable and bounded."""
    shown = shown_address(url)
    return AddressRefused(
        f"the {what} {shown} is refused: {why}",
        answered=shown,
        rule=_RULE,
        advice=_ADVICE,
    )


def shown_address(url: str) -> str:
    """An address for people: no query, no user name, printable, bounded."""
    bare = _USER.sub("", url.partition("#")[0].partition("?")[0])
    visible = "".join(c if c.isprintable() and c.isascii() else "\ufffd" for c in bare)
    return visible if len(visible) <= _SHOWN else f"{visible[:_SHOWN]}..."


def _encoded(url: str) -> str:
    """An address as people write it, as one that may be sent; no fragment."""
    head, slashes, rest = http_url(url).partition("#")[0].partition("://")
    found = _AFTER_HOST.search(rest)
    end = len(rest) if found is None else found.start()
    return f"{head}{slashes}{rest[:end]}{quote(rest[end:], safe=_SAFE)}"


def _checked_for(what: str, url: str) -> _Parts:
    try:
        parts = _split(url)
    except _BadAddress as bad:
        raise refusal(what, url, str(bad)) from None
    if parts.scheme == "http" and not is_loopback(parts.host):
        raise refusal(what, url, "it is not https, and not on this machine")
    return parts


def _split(url: str) -> _Parts:
    """The parts of an http(s) address. Raises `_BadAddress`."""
    if len(url) > _MAX_LENGTH:
        raise _BadAddress("it is too long")
    if not url.isprintable() or " " in url or "\\" in url:
        raise _BadAddress("it holds blanks, backslashes or invisible characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _BadAddress("its host or port cannot be read") from None
    if fault := _fault(parts, url, port):
        raise _BadAddress(fault)
    if port == _DEFAULT_PORTS[parts.scheme]:
        port = None
    host = _host(parts.hostname or "")
    return _Parts(parts.scheme, host, port, parts.path, parts.query)


def _fault(parts: SplitResult, url: str, port: int | None) -> str:
    if parts.scheme not in _DEFAULT_PORTS:
        return "it is neither https nor http"
    if "@" in parts.netloc:
        return "it holds a user name"
    if "#" in url:
        return "it has a fragment"
    if port == 0:
        return "port 0 cannot be connected to"
    if not _URI.fullmatch(parts.path) or not _URI.fullmatch(parts.query):
        return "it holds characters no address may hold (RFC 3986)"
    return ""


def _host(text: str) -> str:
    """A host in lower case, names in the form DNS uses. Raises `_BadAddress`."""
    try:
        return str(_plain_ip(text))
    except ValueError:
        name = text if text.isascii() else _idna(text)
    labels = name.removesuffix(".").split(".")
    if len(name) > _MAX_HOST or not all(map(_LABEL.fullmatch, labels)):
        raise _BadAddress("it has no host that could exist")
    if _NUMBER.fullmatch(labels[-1]):  # 127.1, 0x7f000001: an IP address to some
        raise _BadAddress("its host is a number in a form that has two readings")
    return name


def _plain_ip(text: str) -> object:
    if "%" in text:  # the zone of a link-local address
        raise ValueError
    return ip_address(text)


def _idna(text: str) -> str:
    """The name as DNS writes it, if that has one reading only.

    The standard library knows the older of two standards; where they differ (as for
    a sharp s), the way back shows it.
    """
    try:
        name = text.encode("idna").decode()
        back = name.encode().decode("idna")
    except UnicodeError:
        raise _BadAddress("its host name cannot be written for DNS") from None
    if back != text:
        raise _BadAddress("its host name has two readings: write its xn-- form")
    return name
