"""Pure: counts what the WebSocket library does not bound (C26).

It joins the parts of a message in a list and answers every ping: empty fragments
without end would fill the memory, and pings without end the processor. Size is the
library's own business.
"""

from bridge.errors import LinkLost

#: At the usual limit of 16 MiB, parts of 256 octets: less than any honest server sends.
_PARTS = 2**16
#: Control frames: a ping now and then, never a stream of them.
_BURST = 200.0
_PER_SECOND = 10.0

_CONTROL, _FINAL, _MASKED, _LENGTH = 0x08, 0x80, 0x80, 0x7F
_TWO, _EIGHT = 126, 127  # lengths that stand for a longer field (RFC 6455, 5.2)
_MASK_OCTETS = 4


class FrameMeter:
    """Is fed what comes in after the handshake. Judges only numbers, never content."""

    def __init__(self, *, name: str) -> None:
        self._name = name
        self._head = bytearray()
        self._skip = 0
        self._parts = 0
        self._message_ended = True
        self._allowance = _BURST
        self._counted_at = 0.0

    def feed(self, data: bytes, *, now: float) -> None:
        """Count. Raises `LinkLost` past a bound."""
        if self._skip:
            self._count_part()  # what arrives in crumbs is kept in crumbs
        at = 0
        while at < len(data):
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
            else:
                step = 1
                self._take(data[at], now)
            at += step

    def _take(self, octet: int, now: float) -> None:
        head = self._head
        head.append(octet)
        if len(head) < 2 or len(head) < _size(head):  # noqa: PLR2004 - the shortest
            return
        self._skip = _length(head)
        if head[0] & _CONTROL:
            self._count_control(now)
        else:
            self._begin_part(final=bool(head[0] & _FINAL))
        head.clear()

    def _begin_part(self, *, final: bool) -> None:
        if self._message_ended:
            self._parts = 0
        self._message_ended = final
        self._count_part()

    def _count_part(self) -> None:
        self._parts += 1
        if self._parts > _PARTS:
            raise LinkLost(f"'{self._name}' sends a message in too many parts")

    def _count_control(self, now: float) -> None:
        earned = (now - self._counted_at) * _PER_SECOND
        self._allowance = min(_BURST, self._allowance + earned) - 1
        self._counted_at = now
        if self._allowance < 0:
            raise LinkLost(f"'{self._name}' sends pings without end")


def _size(head: bytearray) -> int:
    extended = {_TWO: 2, _EIGHT: 8}.get(head[1] & _LENGTH, 0)
    return 2 + extended + (_MASK_OCTETS if head[1] & _MASKED else 0)


def _length(head: bytearray) -> int:
    match head[1] & _LENGTH:
        case 126:
            return int.from_bytes(head[2:4])
        case 127:
            return int.from_bytes(head[2:10])
        case short:
            return short
