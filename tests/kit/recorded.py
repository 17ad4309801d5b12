"""A log that keeps what it is told, to be asked about."""

from typing import Self

from bridge.observe.catalogue import Event
from bridge.observe.logging import Log


class RecordedLog(Log):
    """Keeps every event as (name, fields)."""

    def __init__(self) -> None:
        super().__init__(None)
        self.entries: list[tuple[str, dict[str, object]]] = []

    def bind(self, **context: object) -> Self:
        return self

    def emit(self, event: Event, **fields: object) -> None:
        self.entries.append((event.name, fields))

    def named(self, event: Event) -> list[dict[str, object]]:
        """The fields of every ``event`` so far."""
        return [fields for name, fields in self.entries if name == event.name]
