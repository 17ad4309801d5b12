"""Newline framing of a byte stream (MCP stdio transport), in constant memory.

A partial line is held up to its limit and never beyond it. Lines end at ``\\n``; one
``\\r`` before it is taken off; empty lines are skipped.
"""

from collections.abc import Iterator

from bridge.errors import FrameTooLarge


class LineFramer:
    """Cuts bytes into lines; a line over ``limit`` bytes ends the stream."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines that ``data`` completes; iterate to the end before feeding more.

        Raises `FrameTooLarge` where the limit is passed. The stream is then lost:
        nobody can tell where the next message begins.
        """
        first, *others = data.split(b"\n")
        self._hold(first)
        if not others:
            return
        *whole, rest = others
        # Whoever floods with empty lines gets no look at each of them.
        for line in filter(None, (self._gathered(), *whole)):
            if len(line) > self._limit:
                raise self._too_long()
            if cut := line.removesuffix(b"\r"):
                yield cut
        self._hold(rest)

    def _gathered(self) -> bytes:
        line = bytes(self._held)
        # Emptied by replacement: the room a large line has taken is given back.
        self._held = bytearray()
        return line

    def _too_long(self) -> FrameTooLarge:
        return FrameTooLarge(f"a line is longer than {self._limit} bytes")

    def _hold(self, part: bytes) -> None:
        if len(self._held) + len(part) > self._limit:
            raise self._too_long()
        self._held += part


class LineCutter:
    """Cuts bytes into lines; what passes ``limit`` bytes of a line is dropped."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._held = bytearray()

    def feed(self, data: bytes, *, most: int) -> tuple[list[bytes], int]:
        """The lines that ``data`` completes, each at most ``limit`` bytes long.

        Of more than ``most`` the first ones and the last, and how many are left out:
        they are counted without a look at each.
        """
        first, *others = data.split(b"\n", most)
        self._hold(first)
        if not others:
            return [], 0
        *whole, rest = others
        lines = [self.rest(), *(line[: self._limit] for line in whole)]
        left_out, skipped, rest = rest.rpartition(b"\n")
        if skipped:
            lines.append(left_out[left_out.rfind(b"\n") + 1 :][: self._limit])
        self._hold(rest)
        cut = [short for line in lines if (short := line.removesuffix(b"\r"))]
        return cut, left_out.count(b"\n")

    def rest(self) -> bytes:
        """What came after the last newline, when the stream has ended."""
        line = bytes(self._held)
        self._held.clear()
        return line

    def _hold(self, part: bytes) -> None:
        self._held += part[: self._limit - len(self._held)]
