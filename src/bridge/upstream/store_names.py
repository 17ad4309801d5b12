"""What the files of the token store are called, now and in older layouts. Pure.

A name is made of a hash of the server's address and, where two servers share one, of a
slug of the server's name: nothing of a configuration becomes a path unchecked (R153).
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bridge.oauth.address import canonical_resource

_DIGITS = 12
_SLUG_LENGTH, _SLUG_DIGITS = 40, 6
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")


def short_hash(text: str) -> str:
    """12 hex digits of the SHA-256: what files are named by."""
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def url_hash(url: str) -> str:
    """The hash of the canonical form: ``HTTPS://Host:443/mcp/`` is no other server.

    The query counts, a fragment does not. Raises `AddressRefused`.
    """
    return short_hash(canonical_resource(url))


def file_slug(name: str) -> str:
    """A server's name for use in a file's: two names never give one."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_SLUG_LENGTH]
    if plain and plain == name:
        return plain
    digits = hashlib.sha256(name.encode()).hexdigest()[:_SLUG_DIGITS]
    return f"{plain}.{digits}"  # no plain name has a dot


def shared_urls(servers: Iterable[tuple[str, str]]) -> frozenset[str]:
    """The hashes of the addresses that several of the (name, url) have."""
    names: dict[str, set[str]] = {}
    for name, url in servers:
        names.setdefault(url_hash(url), set()).add(name)
    return frozenset(digits for digits, owners in names.items() if len(owners) > 1)


def old_homes(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Where older programs kept tokens (R96): looked at, never written to."""
    user = environment.get("HOME", "")
    settings = environment.get("XDG_CONFIG_HOME", "")
    places = (
        environment.get("MCP_OAUTH_CONFIG_DIR", ""),
        settings and f"{settings}/foxxy-bridge/auth",
        user and f"{user}/.config/foxxy-bridge/auth",
    )
    return tuple(dict.fromkeys(Path(place) for place in places if place))


def old_files(
    homes: Sequence[Path],
    old_homes: Sequence[Path],
    *,
    name: str,
    url: str | None,
) -> tuple[Path, ...]:
    """Files of older layouts (R97) that may hold the login of a server, best first.

    ``url``: None where servers share it, as nobody knows whose a login by address is.
    """
    places = (*homes, *old_homes)
    digits = () if url is None else _hashes(url)
    found = [
        place / f"server-hash-{each}.json" for place in old_homes for each in digits
    ]
    found += [place / f"tokens-{each}.json" for place in places for each in digits]
    if _PLAIN_NAME.fullmatch(name):
        found += [place / name / "tokens.json" for place in places]
    return tuple(found)


def _hashes(url: str) -> tuple[str, ...]:
    """Of the address as it was configured, and of its canonical form."""
    return tuple(dict.fromkeys((short_hash(url), url_hash(url))))
