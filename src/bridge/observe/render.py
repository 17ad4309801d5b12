"""From a redacted event to one line: JSON for machines, console for people.

Text from upstreams may hold terminal escapes, line breaks and direction marks; in a
line they are spelled out (R152), so no upstream can forge a line or drive a terminal.
"""

import re
import traceback
from collections.abc import Mapping, MutableMapping
from typing import Any, cast

import msgspec

from bridge.observe.catalogue import all_events

_TRACEBACK_LIMIT = 30  # frames from the end: enough to find the line, bounded
_LEADING = ("time", "level", "event")
_SENTENCES = {event.name: event.message for event in all_events() if event.message}
_PLACE = re.compile(r"\{(\w+)\}")

# C0, DEL and C1 controls, invisible and direction marks, line separators, surrogates
_INVISIBLE = "\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff"
_FOR_CONSOLE = re.compile(f"[\x00-\x1f{_INVISIBLE}]")
_FOR_JSON = re.compile(f"[{_INVISIBLE}]")  # JSON itself escapes the others
_BARE = re.compile(r"[\w.:/@+-]+")


def render_traceback(
    _logger: Any, _method: str, event_dict: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """``exc_info`` becomes the text ``exception``: frames and causes, no variables."""
    error = event_dict.pop("exc_info", None)
    if isinstance(error, BaseException):
        lines = traceback.format_exception(error, limit=-_TRACEBACK_LIMIT)
        event_dict["exception"] = "".join(lines).rstrip()
    return event_dict


def render_json(
    _logger: Any, _method: str, event_dict: MutableMapping[str, Any]
) -> bytes:
    """One JSON object and a line feed; the promised sentence is ``message``."""
    line: dict[str, object] = {
        name: event_dict[name] for name in ("time", "level", "event")
    }
    if message := sentence(event_dict):
        line["message"] = message
    line.update(event_dict)
    return _encoded(line) + b"\n"


def render_console(
    _logger: Any, _method: str, event_dict: MutableMapping[str, Any]
) -> bytes:
    """Time, level, event, the promised sentence, then ``key=value``."""
    trace = str(event_dict.pop("exception", ""))
    shown = cast("dict[str, object]", _spelled(event_dict, _FOR_CONSOLE))
    clock = str(shown["time"])[11:23]
    parts = [clock, f"{shown['level']:<7}", str(shown["event"]), sentence(shown)]
    parts += [f"{key}={_short(shown[key])}" for key in shown if key not in _LEADING]
    line = " ".join(part for part in parts if part)
    return (line + _indented(trace) + "\n").encode()


def sentence(fields: Mapping[str, Any]) -> str:
    """The promised sentence of an event, or nothing. A list fills lines of its own."""

    def fill(place: re.Match[str]) -> str:
        value = fields.get(place[1], "")
        if isinstance(value, list):
            items = cast("list[object]", value)
            return "".join(f"\n- {item}" for item in items)
        return str(value)

    return _PLACE.sub(fill, _SENTENCES.get(fields["event"], ""))


def _spelled(value: object, unsafe: re.Pattern[str]) -> object:
    """Plain data with every unsafe character written as its escape."""
    match value:
        case str():
            return value if value.isprintable() else unsafe.sub(_escape, value)
        case list():
            return [_spelled(item, unsafe) for item in cast("list[object]", value)]
        case dict():
            members = cast("dict[str, object]", value)
            return {
                str(_spelled(key, unsafe)): _spelled(item, unsafe)
                for key, item in members.items()
            }
        case _:
            return value


def _encoded(line: dict[str, object]) -> bytes:
    """JSON without unsafe characters; almost every line is plain ASCII already."""
    try:
        encoded = msgspec.json.encode(line)
    except UnicodeEncodeError:  # a lone surrogate
        encoded = b"\x7f"
    if encoded.isascii() and b"\x7f" not in encoded:
        return encoded
    return msgspec.json.encode(_spelled(line, _FOR_JSON))


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def _short(value: object) -> str:
    if isinstance(value, str) and _BARE.fullmatch(value):
        return value
    return msgspec.json.encode(value).decode()


def _indented(trace: str) -> str:
    lines = [_FOR_CONSOLE.sub(_escape, line) for line in trace.splitlines()]
    return "".join(f"\n    {line}" for line in lines)
