"""The event-stream format, both ways (WHATWG HTML 9.2.5 and 9.2.6), in bounded memory.

Parsed from bytes: lines end at ``\\r\\n``, ``\\n`` or ``\\r`` and nowhere else (U+2028
inside a JSON string is no line end), wherever the chunks were cut.
"""

import re
from collections.abc import Iterator

import msgspec

from bridge.errors import FrameTooLarge

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"
#: What a server may ask for as its reconnection time, in seconds (C24).
RETRY_BOUNDS = (0.1, 60.0)
#: An id comes back as a header; longer ones are not kept.
_ID_OCTETS = 1024


class ServerEvent(msgspec.Struct, frozen=True):
    """One event. ``id`` is the last event id after it; empty when none was sent."""

    data: bytes
    event: str = "message"
    id: str = ""


class EventDecoder:
    """Turns chunks of an event stream into events."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._held = bytearray()  # a line whose end has not come
        self._skip_newline = False  # the last chunk ended between \r and \n
        self._started = False
        self._data: bytearray | None = None  # one buffer: lines may be tiny and many
        self._event = ""
        self._last_event_id = ""
        self._retry: float | None = None

    @property
    def last_event_id(self) -> str:
        """What to resume with; empty when the server sent no id.

        An event without data may set it.
        """
        return self._last_event_id

    @property
    def retry(self) -> float | None:
        """The reconnection time the server asked for, clamped; None: it did not."""
        return self._retry

    def feed(self, chunk: bytes) -> Iterator[ServerEvent]:
        """The events that ``chunk`` completes; iterate to the end before feeding more.

        Raises `FrameTooLarge` where a line or an event passes the limit.
        """
        for line in self._lines(chunk):
            if not line:
                if event := self._dispatched():
                    yield event
            else:
                self._field(line)

    def _lines(self, chunk: bytes) -> Iterator[bytes]:
        if self._skip_newline and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._skip_newline = False
        start = 0
        for end in _LINE_END.finditer(chunk):
            self._hold(chunk[start : end.start()])
            start = end.end()
            yield self._line()
        self._skip_newline = self._skip_newline or chunk.endswith(b"\r")
        self._hold(chunk[start:])

    def _hold(self, part: bytes) -> None:
        if len(self._held) + len(part) > self._limit:
            raise FrameTooLarge(f"a line is longer than {self._limit} bytes")
        self._held += part

    def _line(self) -> bytes:
        line = bytes(self._held)
        self._held.clear()
        if not self._started:
            self._started = True
            line = line.removeprefix(_BOM)
        return line

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match name:
            case b"data":
                self._add_data(value)
            case b"event":
                self._event = value.decode("utf-8", "replace")
            case b"id":
                self._set_id(value)
            case b"retry":
                self._set_retry(value)
            case _:  # a comment (no name) or a field of a later day
                pass

    def _add_data(self, value: bytes) -> None:
        if self._data is None:
            self._data = bytearray()
        else:
            self._data += b"\n"
        if len(self._data) + len(value) > self._limit:
            raise FrameTooLarge(f"an event is larger than {self._limit} bytes")
        self._data += value

    def _set_id(self, value: bytes) -> None:
        if b"\0" not in value and len(value) <= _ID_OCTETS:
            self._last_event_id = value.decode("utf-8", "replace")

    def _set_retry(self, value: bytes) -> None:
        if not re.fullmatch(rb"[0-9]+", value):
            return
        least, most = RETRY_BOUNDS
        # Nine digits of milliseconds are eleven days: no need to read further.
        seconds = int(value) / 1000 if len(value) <= 9 else most  # noqa: PLR2004 - see above
        self._retry = min(most, max(least, seconds))

    def _dispatched(self) -> ServerEvent | None:
        data, event = self._data, self._event
        self._data, self._event = None, ""
        if data is None:
            return None
        return ServerEvent(bytes(data), event or "message", self._last_event_id)


def encode_event(data: bytes, *, event: str = "", id: str = "") -> bytes:  # noqa: A002 - the format's own word
    """One event. Line ends inside ``data`` are kept as the format keeps them.

    ``event`` and ``id`` are names of ours and hold no line end.
    """
    head = (f"event: {event}\n" if event else "") + (f"id: {id}\n" if id else "")
    if b"\n" not in data and b"\r" not in data:  # every message of ours
        return b"%bdata: %b\n\n" % (head.encode(), data)
    lines = b"".join(b"data: %b\n" % line for line in _LINE_END.split(data))
    return b"%b%b\n" % (head.encode(), lines)


def comment(text: str = "") -> bytes:
    """A line that means nothing: keeps connections and their middlemen awake."""
    return b": " + text.replace("\r", " ").replace("\n", " ").encode() + b"\n\n"
