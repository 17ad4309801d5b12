"""Secrets of a run, and everybody who might show one: log, status, errors, metrics."""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from bridge.app import Bridge
from bridge.observe.catalogue import Event
from bridge.observe.logging import Log, build_log
from bridge.observe.redact import Redactor
from bridge.ports import WallClock
from sim.settings import STDIO_SECRET, WEB_SECRET
from sim.trace import Trace


class Canary:
    """Keeps what was written and said; `Vault.check` looks for its own in it."""

    def __init__(self, trace: Trace, *, tokens: Iterable[str]) -> None:
        self._trace = trace
        self._known = {"a client's token": tuple(tokens)}
        self._known["a configured secret"] = (STDIO_SECRET, WEB_SECRET)
        #: Lines of the log, as files and people get them.
        self.lines: list[str] = []

    def look(self, where: str, text: str) -> None:
        """Breaks when a known secret is in it."""
        for what, secrets in self._known.items():
            if any(secret in text for secret in secrets):
                self._trace.breach("secrets", f"{where} shows {what}")

    def heard(self, text: str) -> None:
        """A client was told this."""
        self.look("an answer", text)
        self.lines.append(text)

    def ask(self, bridge: Bridge) -> None:
        """What the management pages say now."""
        # the address to log in at is the operator's
        logins = [
            msgspec.structs.replace(s, login_url="") for s in bridge.control.oauth()
        ]
        for shown in (bridge.control.status(), logins):
            text = msgspec.json.encode(shown).decode()
            self.look("status", text)
            self.lines.append(text)

    def judge_lines(self) -> None:
        """At the end: the log."""
        for line in self.lines:
            self.look("the log", line)


class TracedLog(Log):
    """The bridge's own events become part of the trace, and lines of a real log.

    ``silent`` says that the process is dead, and heard no more.
    """

    def __init__(
        self,
        trace: Trace,
        *,
        real: Log,
        silent: Callable[[], bool],
        context: Mapping[str, object],
    ) -> None:
        super().__init__(None)
        self._trace = trace
        self._real = real
        self._silent = silent
        self._context = context

    def bind(self, **context: object) -> "TracedLog":
        return self._twin(self._real.bind(**context), {**self._context, **context})

    def at(self, level: str) -> "TracedLog":
        return self._twin(self._real, self._context)

    def hide(self, owner: str, *secrets: str) -> None:
        self._real.hide(owner, *secrets)

    def enabled(self, event: Event) -> bool:
        return True

    def emit(self, event: Event, **fields: object) -> None:
        if self._silent():
            return
        every = {**self._context, **fields}
        said = " ".join(f"{key}={value}" for key, value in every.items())
        self._trace.note("bridge", f"{event.name} {said}")
        self._trace.counts[event.name] += 1
        if fields.get("moved_to"):  # the simulated disk never spoils anything
            self._trace.breach("disk", f"a file of ours is spoilt: {fields['reason']}")
        self._real.emit(event, **fields)

    def _twin(self, real: Log, context: Mapping[str, object]) -> "TracedLog":
        return TracedLog(self._trace, real=real, silent=self._silent, context=context)


def open_log(
    trace: Trace, *, canary: Canary, clock: WallClock, silent: Callable[[], bool]
) -> TracedLog:
    """The log of one process, through the program's own redaction and rendering."""
    real = build_log(
        level="debug",
        format="json",
        write=lambda line: canary.lines.append(line.decode()),
        clock=clock,
        redactor=Redactor(),
        strict=True,
    )
    return TracedLog(trace, real=real, silent=silent, context={})
