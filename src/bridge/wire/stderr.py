"""What a child says on stderr: always drained, cut per line, rate-limited."""

import trio

from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.protocol.ndjson import LineCutter
from bridge.wire.allowance import Allowance

_LINE = 4096
#: A burst is a traceback; a flood is the disk's end (C3).
_BURST = 100
_PER_SECOND = 20.0
_LAST_WORDS = 200
#: Of a flood nobody reads every line: each costs time that other upstreams need.
_LINES_READ = 200
#: A flood is drained at this pace: about 6 MiB a second.
_FLOOD_PAUSE = 0.01


class StderrLog:
    """Reads stderr into ``upstream.stderr`` events and remembers the last line."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._last = b""
        self._allowance = Allowance(burst=_BURST, per_second=_PER_SECOND)
        self.ended = trio.Event()

    @property
    def last_words(self) -> str:
        """The last line, short and printable; empty when nothing was said."""
        return _printable(self._last)[:_LAST_WORDS]

    async def read(self, stream: trio.abc.ReceiveStream) -> None:
        """Drain the stream to its end."""
        cutter = LineCutter(limit=_LINE)
        try:
            async for chunk in stream:
                await self._feed(cutter, bytes(chunk))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # as good as its end
        if rest := cutter.rest():
            self._take(rest)
        self.ended.set()

    async def _feed(self, cutter: LineCutter, chunk: bytes) -> None:
        lines, skipped = cutter.feed(chunk, most=_LINES_READ)
        self._allowance.skip(skipped)
        for line in lines:
            self._take(line)
        if skipped:
            await trio.sleep(_FLOOD_PAUSE)

    def _take(self, line: bytes) -> None:
        if not line.strip():
            return
        self._last = line
        # Asked first: of a flood most lines need not be made printable.
        if not self._allowance.take():
            return
        if text := _printable(line):
            self._log.emit(
                events.UPSTREAM_STDERR,
                line=text,
                suppressed=self._allowance.suppressed(),
            )


def _printable(line: bytes) -> str:
    text = "".join(c for c in line.decode("utf-8", "replace") if c.isprintable())
    return text if text.strip() else ""
