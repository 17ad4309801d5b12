"""What a child says on stderr: always drained, cut per line, rate-limited."""

import trio

from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.protocol.ndjson import LineCutter

_LINE = 4096
#: A burst is a traceback; a flood is the disk's end (C3).
_BURST = 100
_PER_SECOND = 20.0
_LAST_WORDS = 200


class StderrLog:
    """Reads stderr into ``upstream.stderr`` events and remembers the last line."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._last = ""
        self._allowance = float(_BURST)
        self._counted_at = 0.0
        self._suppressed = 0
        self.ended = trio.Event()

    @property
    def last_words(self) -> str:
        """The last line, short and printable; empty when nothing was said."""
        return self._last[:_LAST_WORDS]

    async def read(self, stream: trio.abc.ReceiveStream) -> None:
        """Drain the stream to its end."""
        cutter = LineCutter(limit=_LINE)
        self._counted_at = trio.current_time()
        try:
            async for chunk in stream:
                for line in cutter.feed(bytes(chunk)):
                    self._take(line)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # as good as its end
        if rest := cutter.rest():
            self._take(rest)
        self.ended.set()

    def _take(self, line: bytes) -> None:
        text = "".join(c for c in line.decode("utf-8", "replace") if c.isprintable())
        if not text.strip():
            return
        self._last = text
        if not self._allowed():
            self._suppressed += 1
            return
        self._log.emit(events.UPSTREAM_STDERR, line=text, suppressed=self._suppressed)
        self._suppressed = 0

    def _allowed(self) -> bool:
        now = trio.current_time()
        earned = (now - self._counted_at) * _PER_SECOND
        self._allowance = min(_BURST, self._allowance + earned)
        self._counted_at = now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True
