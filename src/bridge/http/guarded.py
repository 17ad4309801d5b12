"""A network that goes only where an upstream may send us (R151, threat D7).

The addresses of OAuth (resource metadata, server metadata, registration, tokens, keys)
are learnt from an upstream, and a hostile one names our own machine, our own network or
the metadata service of the cloud we run in. So every connection that OAuth makes passes
here: the first one, those after a redirect, and those made again after a break. A check
of the URL alone would not do, because a name may have another address when it is looked
up again (DNS rebinding); here the address that was checked is the one connected to.
"""

from collections.abc import Sequence
from enum import Enum
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

import trio

from bridge.loopback import is_loopback
from bridge.ports import Network

#: Names have a few addresses; who has more may not keep us trying them all.
TRIED = 4
#: With four addresses within the ten seconds a client gives a connection.
ATTEMPT = 2.5


class AddressForbidden(OSError):
    """No address of the host may be connected to; none was."""


class Place(Enum):
    """Where an address leads."""

    PUBLIC = "public"
    PRIVATE = "private"
    LOOPBACK = "loopback"
    LINK_LOCAL = "link-local"
    NOWHERE = "special"  # multicast, reserved, unspecified, documentation


class GuardedNetwork:
    """Connects to public addresses, and to those near the configured server.

    ``server_host`` is the host of the server's own address, ``trusted_hosts`` those the
    operator has named: they are connected to wherever they are. Any other host must be
    public, or in the same kind of place as the server.
    """

    def __init__(
        self, network: Network, *, server_host: str, trusted_hosts: frozenset[str]
    ) -> None:
        self._network = network
        self._server = _plain(server_host)
        self._trusted = {self._server, *map(_plain, trusted_hosts)}

    async def connect(self, host: str, port: int) -> trio.abc.Stream:
        """A connection to an address that was checked.

        Raises `AddressForbidden` when ``host`` has none that may be, and OSError when
        none answers. Looking the name up is bounded by the caller's deadline.
        """
        found = await self._network.resolve(host)
        if _plain(host) not in self._trusted:
            found = await self._allowed(host, found)
        return await self._connect_to_one(found, port)

    async def resolve(self, host: str) -> Sequence[str]:
        return await self._network.resolve(host)

    async def listen(
        self, host: str, port: int
    ) -> Sequence[trio.abc.Listener[trio.abc.Stream]]:
        return await self._network.listen(host, port)

    async def _allowed(self, host: str, found: Sequence[str]) -> Sequence[str]:
        places = {address: place_of(address) for address in found}
        known = {Place.PUBLIC}
        if known.issuperset(places.values()):
            return found
        known.update(await self._server_places())
        allowed = [address for address, place in places.items() if place in known]
        if not allowed:
            kinds = ", ".join(sorted({place.value for place in places.values()}))
            raise AddressForbidden(
                f"{host} has no address that an upstream may name ({kinds})"
            )
        return allowed

    async def _server_places(self) -> set[Place]:
        """Where the server is, if that is nowhere public."""
        # A name that is reserved for this machine (RFC 6761) speaks for it as well.
        if is_loopback(self._server) or self._server.endswith(".localhost"):
            return {Place.LOOPBACK}
        places = {place_of(each) for each in await self._network.resolve(self._server)}
        # Whoever owns a name may give it any address. One that is public as well tells
        # nothing; and only hosts that are called loopback speak for this machine, since
        # here plain http is answered, by programs that trust everybody here.
        near = places <= {Place.PRIVATE, Place.LINK_LOCAL}
        return places if near else set()

    async def _connect_to_one(
        self, addresses: Sequence[str], port: int
    ) -> trio.abc.Stream:
        failure = OSError("the name has no address")
        for address in addresses[:TRIED]:
            with trio.move_on_after(ATTEMPT) as attempt:
                try:
                    return await self._network.connect(address, port)
                except OSError as error:
                    failure = error
            if attempt.cancelled_caught:
                failure = TimeoutError("the connection was not made in time")
        raise failure


def place_of(address: str) -> Place:
    """Where an IP address leads, whatever it is wrapped in."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return Place.NOWHERE
    if isinstance(parsed, IPv6Address):
        parsed = _unwrapped(parsed)
    if isinstance(parsed, IPv6Address):
        found = (place for network, place in _SIX if parsed in network)
        return next(found, Place.PUBLIC if parsed in _GLOBAL else Place.NOWHERE)
    return next((place for net, place in _FOUR if parsed in net), Place.PUBLIC)


def _unwrapped(address: IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that a gateway, or the system itself, makes of it."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _plain(host: str) -> str:
    return host.strip("[]").lower().removesuffix(".")


_NAT64 = ip_network("64:ff9b::/96")
_GLOBAL = ip_network("2000::/3")

# The registries of special addresses (RFC 6890), and a few metadata services of clouds
# that are not link-local but are meant for this machine alone. Our own table: what
# `ipaddress` calls private differs between the releases of Python.
_FOUR: Sequence[tuple[IPv4Network, Place]] = [
    (IPv4Network(text), place)
    for text, place in (
        ("127.0.0.0/8", Place.LOOPBACK),
        ("169.254.0.0/16", Place.LINK_LOCAL),
        ("100.100.100.200/32", Place.LINK_LOCAL),  # metadata service
        ("168.63.129.16/32", Place.LINK_LOCAL),  # metadata service
        ("10.0.0.0/8", Place.PRIVATE),
        ("172.16.0.0/12", Place.PRIVATE),
        ("192.168.0.0/16", Place.PRIVATE),
        ("100.64.0.0/10", Place.PRIVATE),  # shared by a provider's customers
        ("198.18.0.0/15", Place.PRIVATE),  # some tunnels hand these out
        ("0.0.0.0/8", Place.NOWHERE),
        ("192.0.0.0/24", Place.NOWHERE),
        ("192.0.2.0/24", Place.NOWHERE),
        ("192.88.99.0/24", Place.NOWHERE),
        ("198.51.100.0/24", Place.NOWHERE),
        ("203.0.113.0/24", Place.NOWHERE),
        ("224.0.0.0/4", Place.NOWHERE),
        ("240.0.0.0/4", Place.NOWHERE),
    )
]
_SIX: Sequence[tuple[IPv6Network, Place]] = [
    (IPv6Network(text), place)
    for text, place in (
        ("::1/128", Place.LOOPBACK),
        ("fe80::/10", Place.LINK_LOCAL),
        ("fd00:ec2::254/128", Place.LINK_LOCAL),  # metadata service
        ("fd20:ce::254/128", Place.LINK_LOCAL),  # metadata service
        ("fc00::/7", Place.PRIVATE),
        ("fec0::/10", Place.PRIVATE),  # what came before fc00::/7
        ("2001::/23", Place.NOWHERE),  # Teredo and other protocols
        ("2001:db8::/32", Place.NOWHERE),
        ("3fff::/20", Place.NOWHERE),
    )
]
