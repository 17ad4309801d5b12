"""How the program says what it does: events of the catalogue, never sentences.

`Log` is handed to every room by the composition root; ``bind`` adds context once per
actor or session. The level of an event stands in the catalogue. An event below the
threshold costs one comparison.

`build_log` sets structlog up without its global configuration: redaction first, then a
rendering (`bridge.observe.render`), then one call of ``write``.
"""

from collections import Counter
from collections.abc import Callable, Iterable, MutableMapping
from datetime import UTC, datetime
from typing import Any, Literal, Self

import structlog

from bridge.observe.catalogue import CONTEXT, Event
from bridge.observe.redact import Redactor
from bridge.observe.render import render_console, render_json, render_traceback
from bridge.ports import WallClock

Hold = Callable[[str, Iterable[str]], None]  # `Redactor.hold`

RANKS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
"""The names configurations use, in any case (R13, R18)."""


class Log:
    """A bound logger that takes events of the catalogue and nothing else.

    ``strict`` is for tests: an event or field outside the catalogue is a `ValueError`.
    """

    __slots__ = ("_hold", "_logger", "_strict", "_threshold")

    def __init__(
        self,
        logger: Any,
        *,
        level: str = "debug",
        strict: bool = False,
        hold: Hold | None = None,
    ) -> None:
        self._logger = logger
        self._hold = hold
        self._threshold = RANKS[level.lower()]
        self._strict = strict

    def bind(self, **context: object) -> Self:
        """The same log with more context on every event."""
        return self._with(self._logger.bind(**context), self._threshold)

    def at(self, level: str) -> Self:
        """The same log with another threshold, such as one upstream's own (R148)."""
        return self._with(self._logger, RANKS[level.lower()])

    def hide(self, owner: str, *secrets: str) -> None:
        """From now on, mask these secrets of ``owner`` and those it named before."""
        if self._hold is not None:
            self._hold(owner, secrets)

    def enabled(self, event: Event) -> bool:
        """Whether ``event`` would be written: ask before costly fields are made."""
        return RANKS[event.level] >= self._threshold

    def emit(self, event: Event, **fields: object) -> None:
        """Say that ``event`` happened. ``from_`` is the field ``from``.

        ``exc_info`` takes an exception whose traceback belongs to the event.
        """
        if self._strict:
            check_fields(event, fields)
        if RANKS[event.level] < self._threshold:
            return
        if "from_" in fields:
            fields["from"] = fields.pop("from_")
        getattr(self._logger, event.level)(event.name, **fields)

    def _with(self, logger: Any, threshold: int) -> Self:
        twin = type(self)(logger, strict=self._strict, hold=self._hold)
        twin._threshold = threshold  # noqa: SLF001 - its own class
        return twin


def check_fields(event: Event, fields: MutableMapping[str, object]) -> None:
    """Raises ValueError for fields the catalogue does not give to ``event``."""
    named = {name.removesuffix("_") for name in fields}
    unknown = named - {*event.fields, "exc_info"} - CONTEXT
    if unknown:
        raise ValueError(f"{event.name} has no field {', '.join(sorted(unknown))}")


def build_log(
    *,
    level: str,
    format: Literal["json", "console"],  # noqa: A002 - the setting's own name
    write: Callable[[bytes], None],
    clock: WallClock,
    redactor: Redactor,
    strict: bool = False,
    counts: Counter[str] | None = None,
) -> Log:
    """The program's log. ``write`` gets whole lines and must not raise (`Outlet`).

    ``counts``: where each line is counted, by the name of its event.
    """
    bound: Any = structlog.wrap_logger(
        _Lines(write),
        processors=[
            *([] if counts is None else [_count(counts)]),
            render_traceback,
            redactor,
            _stamp(clock),
            render_json if format == "json" else render_console,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(0),
        cache_logger_on_first_use=True,
    )
    return Log(bound.bind(), level=level, strict=strict, hold=redactor.hold)


class _Lines:
    """What structlog calls with a finished line, whatever the level."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.debug = self.info = self.warning = self.error = write


def _count(counts: Counter[str]) -> Any:
    def count(
        _logger: Any, _method: str, event_dict: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        counts[event_dict["event"]] += 1
        return event_dict

    return count


def _stamp(clock: WallClock) -> Any:
    def stamp(
        _logger: Any, method: str, event_dict: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        moment = datetime.fromtimestamp(clock.now(), UTC)
        time = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"time": time, "level": method, **event_dict}

    return stamp
