"""What counts as this machine, by the text of a host alone. Pure.

One rule for all rooms: what it lets through may be asked without encryption (R45, R104)
and is kept from strangers (threats D7). No name is looked up, and ``*.localhost`` is
not among them: some resolvers ask the network for it (RFC 6761 section 6.3).
"""

from ipaddress import IPv6Address, ip_address, ip_network

_LOOPBACK = ip_network("127.0.0.0/8")
_LOOPBACK_6 = IPv6Address("::1")


def is_loopback(host: str) -> bool:
    """Whether a host is 127.0.0.0/8, ::1 (with or without brackets) or localhost."""
    try:
        address = ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return host.lower().removesuffix(".") == "localhost"
    if isinstance(address, IPv6Address):
        return address == _LOOPBACK_6
    return address in _LOOPBACK
