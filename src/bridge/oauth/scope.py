"""Scopes as the standard writes them (RFC 6749 section 3.3)."""

import re

#: OpenID Connect Core section 11: a login that lasts.
OFFLINE_ACCESS = "offline_access"
_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,256}")


def is_scope_token(text: str) -> bool:
    """Whether a text is one scope; a longer one than 256 characters is not taken."""
    return _TOKEN.fullmatch(text) is not None
