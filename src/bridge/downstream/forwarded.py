"""Who really asked, behind a proxy (pure; R155).

``X-Forwarded-*`` is text anybody can send. It is believed only when the peer of the
connection is a configured proxy, and only its part nearest to us: what that proxy
added itself.
"""

from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

import msgspec

from bridge.errors import ConfigError, Problem

Network = IPv4Network | IPv6Network


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A request as the client made it. ``hosts`` are all its Host values."""

    peer: str
    scheme: str
    hosts: tuple[str, ...]


class TrustedProxies:
    """The peers whose forwarded headers are believed."""

    def __init__(self, networks: Sequence[str]) -> None:
        """Raises `ConfigError` for what is no address or network."""
        self._networks = tuple(_network(text) for text in networks)

    def trusts(self, peer: str) -> bool:
        """Whether ``peer``, an IP address, is a configured proxy."""
        if not self._networks:
            return False
        address = _address(peer)
        return any(address in network for network in self._networks if address)

    def see(
        self, *, peer: str, scheme: str, headers: Sequence[tuple[str, str]]
    ) -> Seen:
        """The request as it was before the proxy, if a trusted proxy brought it.

        A header that is given twice or makes no sense is left unused.
        """
        hosts = _all(headers, "host")
        if not self.trusts(peer):
            return Seen(peer=peer, scheme=scheme, hosts=hosts)
        forwarded_scheme = _last(headers, "x-forwarded-proto").lower()
        forwarded_host = _last(headers, "x-forwarded-host")
        return Seen(
            peer=self._client(headers) or peer,
            scheme=forwarded_scheme if forwarded_scheme in _SCHEMES else scheme,
            hosts=(forwarded_host,) if forwarded_host else hosts,
        )

    def _client(self, headers: Sequence[tuple[str, str]]) -> str:
        """The nearest address in the chain that is not one of our proxies."""
        chain = [
            hop for line in _all(headers, "x-forwarded-for") for hop in _hops(line)
        ]
        for hop in reversed(chain):
            if _address(hop) is None:
                return ""
            if not self.trusts(hop):
                return hop
        return ""


_SCHEMES = frozenset({"http", "https"})


def _network(text: str) -> Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        problem = Problem(
            "bridge.trustedProxies", "holds something that is no address or network"
        )
        raise ConfigError(str(problem), (problem,)) from None


def _all(headers: Sequence[tuple[str, str]], name: str) -> tuple[str, ...]:
    return tuple(value for key, value in headers if key == name)


def _last(headers: Sequence[tuple[str, str]], name: str) -> str:
    values = _all(headers, name)
    return _hops(values[0])[-1] if len(values) == 1 else ""


def _hops(line: str) -> list[str]:
    return [hop.strip() for hop in line.split(",")]


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An address; an IPv4 one also when a dual-stack socket wrote it as IPv6."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
