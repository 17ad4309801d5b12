"""The one thing this room asks of the network: GET a small public document."""

from collections.abc import Awaitable, Callable

import msgspec


class FetchResult(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, whatever its status, read whole."""

    status: int
    body: bytes
    content_type: str = ""


#: GET an address. No redirect is followed, no credential or cookie is sent, and the
#: body is given up once it passes `bridge.identity.keyset.MAX_DOCUMENT`. Raises
#: `bridge.errors.LinkError` for anything but a whole answer. The caller sets the
#: deadline by cancelling.
Fetch = Callable[[str], Awaitable[FetchResult]]
