"""Which Host and Origin may speak to the bridge (pure).

A page in a browser can make any name point to this machine (DNS rebinding), but it
cannot choose the Host and Origin its browser sends. Both are parsed and compared
whole, never by prefix: ``127.0.0.1:1:2`` and ``127.0.0.1:80@evil`` are no authorities.
"""

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

import msgspec

from bridge.config.model import BridgeConfig
from bridge.errors import ConfigError, OriginRefused, Problem
from bridge.loopback import is_loopback

DEFAULT_PORTS = {"http": 80, "https": 443}
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
MAX_PORT = 65535

_AUTHORITY = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[A-Za-z0-9._-]{1,253}))"
    r"(?::(?P<port>[0-9]{1,5}))?",
    re.ASCII,
)
_ORIGIN = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]{0,31})://(?P<authority>[^/?#]+)")


class Authority(msgspec.Struct, frozen=True):
    """A host in its one spelling, and the port where one was written."""

    host: str
    port: int | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


class Origin(msgspec.Struct, frozen=True):
    """Scheme, host and port of a page; the scheme's own port counts as none."""

    scheme: str
    authority: Authority


class HostInvalid(OriginRefused):
    """Host is missing, doubled or no authority (400)."""

    code = "guard.host_invalid"


class HostRefused(OriginRefused):
    """A well-formed Host that is not ours (421)."""

    code = "guard.host_refused"


class AuthorityPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The authorities and origins that are allowed, as closed sets."""

    hosts: frozenset[Authority]
    origins: frozenset[Origin]

    def check(self, *, hosts: Sequence[str], origins: Sequence[str]) -> None:
        """Judge all Host and all Origin values of one request.

        Raises `HostInvalid`, `HostRefused`, or `OriginRefused` itself (403).
        """
        if len(hosts) != 1:
            raise HostInvalid("the request must have exactly one Host")
        host = parse_authority(hosts[0])
        if host is None:
            raise HostInvalid("the request's Host is no authority")
        if host not in self.hosts:
            raise HostRefused("the request's Host is not a name of this bridge")
        if not origins:
            return
        if len(origins) > 1 or parse_origin(origins[0]) not in self.origins:
            raise OriginRefused("the request's Origin is not allowed")

    @classmethod
    def from_config(
        cls, bridge: BridgeConfig, *, bound: Sequence[tuple[str, int]]
    ) -> "AuthorityPolicy":
        """The policy for a bridge that listens on ``bound`` (host, actual port).

        Allowed are the addresses it is bound to, the loopback names at those ports
        where loopback is among them, ``publicUrl``, and what is configured. Raises
        `ConfigError` for a configured value that is no authority or origin.
        """
        public = _public(bridge.public_url)
        own = frozenset(_own(bound))
        hosts = set(own) | set(_configured_hosts(bridge.allowed_hosts))
        origins = {_origin("http", authority) for authority in own}
        origins |= set(_configured_origins(bridge.allowed_origins))
        if public is not None:
            hosts |= _both_spellings(public)
            origins.add(public)
        for authority in own:
            hosts |= _both_spellings(_origin("http", authority))
        return cls(hosts=frozenset(hosts), origins=frozenset(origins))


def parse_authority(text: str) -> Authority | None:
    """``host`` or ``host:port``, in lower case; None for anything else."""
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        return None
    port = None if match["port"] is None else int(match["port"])
    if port is not None and not 0 < port <= MAX_PORT:
        return None
    host = match["name"].lower() if match["name"] else _compress(match["six"])
    return None if host is None else Authority(host, port)


def parse_origin(text: str) -> Origin | None:
    """``scheme://host[:port]``; None for ``null``, a path, or anything else."""
    match = _ORIGIN.fullmatch(text)
    if match is None:
        return None
    authority = parse_authority(match["authority"])
    return None if authority is None else _origin(match["scheme"], authority)


def _compress(text: str) -> str | None:
    try:
        return IPv6Address(text).compressed
    except ValueError:
        return None


def _origin(scheme: str, authority: Authority) -> Origin:
    if authority.port == DEFAULT_PORTS.get(scheme):
        authority = Authority(authority.host)
    return Origin(scheme, authority)


def _both_spellings(origin: Origin) -> set[Authority]:
    """How a Host may name an origin: without its scheme's own port, and with it."""
    if origin.authority.port is not None:
        return {origin.authority}
    port = DEFAULT_PORTS.get(origin.scheme)
    return {origin.authority, Authority(origin.authority.host, port)}


def _own(bound: Sequence[tuple[str, int]]) -> Iterable[Authority]:
    for host, port in bound:
        if _reaches_loopback(host):
            yield from (Authority(name, port) for name in LOOPBACK_NAMES)
        authority = parse_authority(f"[{host}]" if ":" in host else host)
        if authority is not None and not _is_wildcard(host):
            yield Authority(authority.host, port)


def _reaches_loopback(host: str) -> bool:
    return is_loopback(host) or _is_wildcard(host)


def _is_wildcard(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return host == ""


def _public(url: str) -> Origin | None:
    if not url:
        return None
    parts = urlsplit(url)
    origin = parse_origin(f"{parts.scheme}://{parts.netloc}")
    if origin is None or origin.scheme not in DEFAULT_PORTS:
        raise _wrong("publicUrl", "is no http or https address")
    return origin


def _configured_hosts(values: Iterable[str]) -> Iterable[Authority]:
    for value in values:
        authority = parse_authority(value)
        if authority is None:
            raise _wrong("allowedHosts", "holds something that is no host[:port]")
        yield authority
        if authority.port is None:
            yield from (Authority(authority.host, p) for p in DEFAULT_PORTS.values())


def _configured_origins(values: Iterable[str]) -> Iterable[Origin]:
    for value in values:
        origin = parse_origin(value)
        if origin is None:
            raise _wrong("allowedOrigins", "holds something that is no origin")
        yield origin


def _wrong(key: str, reason: str) -> ConfigError:
    problem = Problem(f"bridge.{key}", reason)
    return ConfigError(str(problem), (problem,))
