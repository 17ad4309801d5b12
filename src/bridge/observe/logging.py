"""How the program says what it does: events of the catalogue, never sentences.

`Log` is handed to every room by the composition root; ``bind`` adds context once per
actor or session. The level of an event stands in the catalogue.
"""

from typing import Any, Self

from bridge.observe.catalogue import Event


class Log:
    """A bound logger that takes events of the catalogue and nothing else."""

    def __init__(self, logger: Any) -> None:
        self._logger = logger

    def bind(self, **context: object) -> Self:
        """The same log with more context on every event."""
        return type(self)(self._logger.bind(**context))

    def emit(self, event: Event, **fields: object) -> None:
        """Say that ``event`` happened."""
        getattr(self._logger, event.level)(event.name, **fields)
