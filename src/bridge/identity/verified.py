"""Tokens verified a moment ago, so that a busy client costs one signature check."""

from collections import OrderedDict
from hashlib import sha256

from bridge.identity.claims import Verified
from bridge.identity.keyset import KeySnapshot

#: One entry per live client; a client more costs a signature check, nothing else.
CAPACITY = 4096
#: A withdrawn key must stop working within the key set's own lifetime (A40).
MAX_AGE = 60.0


class VerifiedTokens:
    """A bounded map from a token's digest to its verdict. Never holds a token.

    An entry dies with the key set it was judged by, with the token, and after
    `MAX_AGE`; the least recently used goes first when there are too many.
    """

    def __init__(self, *, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[bytes, tuple[Verified, float]] = OrderedDict()
        self._keys: KeySnapshot | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, token: str, keys: KeySnapshot, *, now: float) -> Verified | None:
        """The verdict, if it still holds."""
        if keys is not self._keys:
            return None
        digest = _digest(token)
        entry = self._entries.get(digest)
        if entry is None:
            return None
        verified, until = entry
        if not until - MAX_AGE <= now < until:  # also when the clock was set back
            del self._entries[digest]
            return None
        self._entries.move_to_end(digest)
        return verified

    def keep(
        self, token: str, verified: Verified, *, keys: KeySnapshot, now: float
    ) -> None:
        """Remember a verdict reached with ``keys``."""
        if keys is not self._keys:
            self._entries.clear()
            self._keys = keys
        until = min(verified.expires_at, now + MAX_AGE)
        self._entries[_digest(token)] = (verified, until)
        if len(self._entries) > self._capacity:
            self._entries.popitem(last=False)


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogateescape")).digest()
