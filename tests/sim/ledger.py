"""Every call of a run: who asked, where it ran, what came back. Finds the breaches."""

from collections import Counter
from typing import Any

import trio

from bridge.protocol.codes import Code
from bridge.router.failure import META_KEY
from sim.scenario import STEADY
from sim.trace import Trace

#: An upstream said when to come back.
PAUSED = "routing.upstream_paused"
#: A call to the upstream that never fails is answered within this (virtual) time.
STEADY_WITHIN = 2.0
#: Errors by which the bridge promises that nothing ran.
_NOTHING_RAN = frozenset(
    {Code.UPSTREAM_UNAVAILABLE, Code.LOGIN_NEEDED, Code.OVERLOADED}
)


class Asked:
    """One call of one session."""

    def __init__(self, marker: str, *, visit: str, upstream: str) -> None:
        self.marker = marker
        self.visit = visit
        self.upstream = upstream
        self.at = trio.current_time()
        self.answers = 0
        self.excuse = ""
        self.must_succeed = False
        #: Requests with the same id that were sent besides; each has an answer too.
        self.doubles = 0
        self.said_nothing_ran = False

    @property
    def open(self) -> bool:
        """Still owed an answer."""
        return not self.answers and not self.excuse


class Ledger:
    """Judges calls, runs and answers as they happen."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._asked: dict[str, Asked] = {}
        self._runs: Counter[str] = Counter()
        self._forbidden: set[str] = set()

    def ask(self, marker: str, *, visit: str, upstream: str) -> Asked:
        """A call is about to be sent."""
        asked = Asked(marker, visit=visit, upstream=upstream)
        self._asked[marker] = asked
        self._trace.counts["asked"] += 1
        return asked

    def forbid(self, marker: str) -> None:
        """A request that must never reach an upstream."""
        self._forbidden.add(marker)

    def ran(self, marker: str, upstream: str) -> None:
        """An upstream executes the call."""
        self._runs[marker] += 1
        self._trace.counts["ran"] += 1
        self._trace.note(upstream, f"runs {marker}")
        asked = self._asked.get(marker)
        if marker in self._forbidden:
            self._trace.breach("guard", f"{marker} ran without a valid token")
        elif asked is None:
            self._trace.breach("origin", f"{upstream} ran {marker}, which nobody asked")
        elif asked.upstream != upstream:
            self._trace.breach("route", f"{marker} ran at {upstream}")
        if self._runs[marker] > 1:
            self._trace.breach("run once", f"{marker} ran {self._runs[marker]} times")

    def answered(self, asked: Asked, frame: dict[str, Any]) -> None:
        """A response came for this call."""
        asked.answers += 1
        if asked.answers > 1 + asked.doubles:
            self._trace.breach("answer once", f"{asked.marker} was answered again")
        marker = marker_in(frame)
        if marker is not None:
            self._result(asked, marker)
        else:
            self._error(asked, frame)

    def refused(self, asked: Asked, status: int) -> None:
        """The bridge refused the request itself, with an HTTP status."""
        asked.answers += 1
        asked.said_nothing_ran = True
        self._trace.counts[f"http {status}"] += 1
        self._trace.note(asked.visit, f"{asked.marker} refused with {status}")

    def excuse(self, asked: Asked, why: str) -> None:
        """No answer is owed any more: the client cancelled or left."""
        if asked.open:
            asked.excuse = why
            self._trace.counts[f"excused: {why}"] += 1

    def close(self) -> None:
        """The run is over: nothing may be owed, and what did not run did not run."""
        for asked in self._asked.values():
            if asked.open:
                self._trace.breach("answered", f"{asked.marker} got no answer")
            denied = asked.said_nothing_ran and not asked.doubles  # else of which?
            if denied and self._runs[asked.marker]:
                self._trace.breach("honest", f"{asked.marker} ran, the error denies it")

    def _result(self, asked: Asked, marker: str) -> None:
        self._trace.counts["results"] += 1
        took = trio.current_time() - asked.at
        self._trace.note(asked.visit, f"{asked.marker} answered after {took:.3f}")
        if marker != asked.marker:
            self._trace.breach("own answer", f"{asked.marker} got {marker}'s answer")
        if asked.must_succeed and took > STEADY_WITHIN:
            self._trace.breach("isolation", f"{asked.marker} took {took:.3f} s")

    def _error(self, asked: Asked, frame: dict[str, Any]) -> None:
        code, data = error_in(frame)
        self._trace.counts[f"error {code}"] += 1
        self._trace.note(asked.visit, f"{asked.marker} failed: {code} {data}")
        asked.said_nothing_ran = code in _NOTHING_RAN or data.get("executed") == "no"
        if data.get("reason") == PAUSED and asked.upstream != STEADY:
            return  # it asked to be left alone, for longer than the run lasts
        busy = code == Code.OVERLOADED and "upstream" not in data  # the session itself
        if asked.must_succeed and not busy:
            self._trace.breach("isolation", f"{asked.marker} failed: {code} {data}")


def marker_in(frame: dict[str, Any]) -> str | None:
    """The marker an upstream put into its result; None for any other response."""
    structured = frame.get("result", {}).get("structuredContent", {})
    return structured.get("marker")


def error_in(frame: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Code and data of a failed call, however it was told."""
    if "error" in frame:
        return frame["error"]["code"], frame["error"].get("data", {})
    data = frame["result"].get("_meta", {}).get(META_KEY, {})
    return data.get("code", 0), data
