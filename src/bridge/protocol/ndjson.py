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
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._hold(data[start:end])
            line = bytes(self._held).removesuffix(b"\r")
            self._held.clear()
            start = end + 1
            if line:
                yield line
        self._hold(data[start:])

    def _hold(self, part: bytes) -> None:
        if len(self._held) + len(part) > self._limit:
            raise FrameTooLarge(f"a line is longer than {self._limit} bytes")
        self._held += part


class LineCutter:
    """Cuts bytes into lines; what passes ``limit`` bytes of a line is dropped."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._held = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that ``data`` completes, each at most ``limit`` bytes long."""
        *whole, rest = data.split(b"\n")
        lines: list[bytes] = []
        for part in whole:
            self._hold(part)
            lines.append(bytes(self._held).removesuffix(b"\r"))
            self._held.clear()
        self._hold(rest)
        return [line for line in lines if line]

    def rest(self) -> bytes:
        """What came after the last newline, when the stream has ended."""
        line = bytes(self._held)
        self._held.clear()
        return line

    def _hold(self, part: bytes) -> None:
        self._held += part[: self._limit - len(self._held)]
