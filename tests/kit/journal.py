"""A log that remembers what was said, for assertions by event name and fields."""

from collections.abc import Iterable

from bridge.observe.catalogue import Event
from bridge.observe.logging import Log


class Journal:
    """Everything emitted through ``log``, in order; refuses unknown fields."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, dict[str, object]]] = []
        self.hidden: list[tuple[str, tuple[str, ...]]] = []  # `Log.hide`, in order
        self.log = Log(_Recorder(self.entries, {}), strict=True, hold=self._hide)

    def _hide(self, owner: str, secrets: Iterable[str]) -> None:
        self.hidden.append((owner, tuple(secrets)))

    def of(self, event: Event) -> list[dict[str, object]]:
        """The fields of every occurrence of ``event``."""
        return [fields for name, fields in self.entries if name == event.name]

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.entries]


class _Recorder:
    """What `Log` needs of a structlog logger."""

    def __init__(
        self,
        entries: list[tuple[str, dict[str, object]]],
        context: dict[str, object],
    ) -> None:
        self._entries = entries
        self._context = context
        self.debug = self.info = self.warning = self.error = self._record

    def bind(self, **context: object) -> "_Recorder":
        return _Recorder(self._entries, {**self._context, **context})

    def _record(self, name: str, **fields: object) -> None:
        self._entries.append((name, {**self._context, **fields}))
