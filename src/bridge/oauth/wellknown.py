"""Where metadata may be found. Pure; each function gives addresses in their order.

``server`` is a canonical resource (`address.canonical_resource`): no fragment, no
trailing slash. ``issuer`` is a checked address.
"""

from urllib.parse import SplitResult, urlsplit

from bridge.oauth.address import origin_of

_RESOURCE = "/.well-known/oauth-protected-resource"
_SERVER = "/.well-known/oauth-authorization-server"
_OPENID = "/.well-known/openid-configuration"
_OPENID_OF_THE_GUIDE = "/.well-known/openid_configuration"  # R68, D1


def resource_metadata_urls(server: str) -> tuple[str, ...]:
    """RFC 9728 section 3.1: inserted before path and query, then at the root (R70)."""
    origin, parts = origin_of(server), urlsplit(server)
    query = f"?{parts.query}" if parts.query else ""
    urls = (f"{origin}{_RESOURCE}{parts.path}{query}", f"{origin}{_RESOURCE}")
    return tuple(dict.fromkeys(urls))


def server_metadata_urls(issuer: str) -> tuple[str, ...]:
    """RFC 8414 inserted, OpenID Connect inserted, OpenID Connect appended (R71)."""
    origin, path = origin_of(issuer), _path(urlsplit(issuer))
    urls = (f"{origin}{_SERVER}{path}", f"{origin}{_OPENID}{path}")
    return tuple(dict.fromkeys((*urls, f"{origin}{path}{_OPENID}")))


def own_metadata_urls(server: str) -> tuple[tuple[str, str], ...]:
    """For servers of 2025-03-26, which may be their own authorization server.

    Pairs of the issuer an address is built from and the address: the guide's order
    (R68), the standard spelling before the guide's at each level (R69, D1), and the
    standard's inserted path before all that is appended (D2).
    """
    origin, path = origin_of(server), _path(urlsplit(server))
    root = tuple((origin, f"{origin}{name}") for name in _APPENDED)
    if not path:
        return root
    base = f"{origin}{path}"
    appended = tuple((base, f"{base}{name}") for name in _APPENDED)
    return ((base, f"{origin}{_SERVER}{path}"), *appended, *root)


_APPENDED = (_OPENID, _OPENID_OF_THE_GUIDE, _SERVER)


def _path(parts: SplitResult) -> str:
    return parts.path.rstrip("/")
