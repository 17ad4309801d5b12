"""The log of a test of logins: kept as events, and as the lines people would read."""

import re
from collections.abc import Iterable
from typing import Self

from bridge.observe.catalogue import Event
from bridge.observe.logging import Log, build_log
from bridge.observe.redact import Redactor
from bridge.ports import WallClock
from kit.recorded import RecordedLog

#: What a simulated provider makes secrets of; see `ProviderCore.secret`.
_SECRET = re.compile(r"\b(?:access|refresh|secret|code|device)-[0-9a-f]{16,}")


class LoginLog(RecordedLog):
    """Every event is rendered as well, through the program's own redaction.

    ``lines`` are JSON, ``texts`` what a console shows.
    """

    def __init__(self, clock: WallClock) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.texts: list[str] = []
        redactor = Redactor()
        self._real: tuple[Log, ...] = (
            build_log(
                level="debug",
                format="json",
                write=lambda line: self.lines.append(line.decode()),
                clock=clock,
                redactor=redactor,
                strict=True,
            ),
            build_log(
                level="debug",
                format="console",
                write=lambda line: self.texts.append(line.decode()),
                clock=clock,
                redactor=redactor,
                strict=True,
            ),
        )

    def bind(self, **context: object) -> Self:
        twin = object.__new__(type(self))
        for name in ("entries", "lines", "texts"):
            setattr(twin, name, getattr(self, name))
        twin._real = tuple(log.bind(**context) for log in self._real)
        return twin

    def at(self, level: str) -> Self:
        return self

    def hide(self, owner: str, *secrets: str) -> None:
        for log in self._real:
            log.hide(owner, *secrets)

    def emit(self, event: Event, **fields: object) -> None:
        super().emit(event, **fields)
        for log in self._real:
            log.emit(event, **fields)

    def sentence(self, text: str) -> bool:
        """Whether somebody at the console read this."""
        return any(text in line for line in self.texts)


def secrets_in(texts: Iterable[str], *known: str) -> set[str]:
    """The provider's secrets that these texts show, and those of ``known``."""
    found: set[str] = set()
    for text in texts:
        found.update(_SECRET.findall(text))
        found.update(secret for secret in known if secret and secret in text)
    return found
