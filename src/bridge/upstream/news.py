"""Limits on what an upstream may say unasked (C31). Pure: time is an argument."""

import msgspec
from msgspec import UNSET, Raw

from bridge.protocol.frame import Frame

PROGRESS_GAP = 0.1  # at most ten a second per call, on average
PROGRESS_BURST = 10  # so that a short call's few reports all arrive
BULLETIN_GAP = 0.1
BULLETINS_HELD = 1024
BULLETINS_AT_ONCE = 64  # the router has other upstreams to hear
LOG_RATE = 50.0  # lines a second
LOG_BURST = 100.0


def progress_value(params: dict[str, Raw]) -> float | None:
    """How far it is; None when ``progress`` is no number."""
    try:
        return msgspec.json.decode(params.get("progress", Raw(b"null")), type=float)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def integer(value: Raw | None) -> int | None:
    """The integer in ``value``; None when it is absent or something else."""
    try:
        return msgspec.json.decode(value or b"null", type=int)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


class ProgressGate:
    """The progress of one call: it must rise, and the latest one wins."""

    __slots__ = ("_held", "_open_at", "_spent_until", "_value")

    def __init__(self) -> None:
        self._value = float("-inf")
        self._open_at = float("-inf")
        self._spent_until = float("-inf")  # each release spends one gap of time
        self._held: dict[str, Raw] | None = None

    @property
    def open_at(self) -> float | None:
        """When what is held may pass; None: nothing is held."""
        return None if self._held is None else self._open_at

    def rises(self, params: dict[str, Raw]) -> bool:
        """Take note of a progress. False: it is none, or it does not rise."""
        value = progress_value(params)
        if value is None or not value > self._value:
            return False
        self._value = value
        self._held = params
        return True

    def release(self, now: float) -> dict[str, Raw] | None:
        """What may pass now, if anything."""
        if self._held is None or now < self._open_at:
            return None
        self._spent_until = max(self._spent_until, now) + PROGRESS_GAP
        self._open_at = self._spent_until - PROGRESS_BURST * PROGRESS_GAP
        return self.flush()

    def flush(self) -> dict[str, Raw] | None:
        """What is held, at once: the call's answer follows."""
        held, self._held = self._held, None
        return held


class Bulletins:
    """Notifications of no single call: doubles within the gap become one."""

    def __init__(self) -> None:
        self._held: dict[tuple[object, bytes], Frame] = {}
        self._open_at = float("-inf")
        self.dropped = 0

    @property
    def open_at(self) -> float | None:
        """When what is held may pass; None: nothing is held."""
        return self._open_at if self._held else None

    def hold(self, frame: Frame) -> None:
        """Take a notification; beyond the bound it is dropped and counted."""
        body = b"" if frame.params is UNSET else bytes(frame.params)
        if len(self._held) < BULLETINS_HELD:
            self._held[(frame.method, body)] = frame
        else:
            self.dropped += 1

    def release(self, now: float) -> list[Frame]:
        """What may pass now."""
        if not self._held or now < self._open_at:
            return []
        self._open_at = now + BULLETIN_GAP
        first = list(self._held)[:BULLETINS_AT_ONCE]
        return [self._held.pop(key) for key in first]

    def clear(self) -> None:
        """The epoch is over."""
        self._held.clear()


class LineBudget:
    """How many log lines pass: a bucket that refills with time."""

    def __init__(self) -> None:
        self._tokens = LOG_BURST
        self._at = 0.0

    def take(self, now: float) -> bool:
        """Whether one more line may pass."""
        self._tokens = min(LOG_BURST, self._tokens + (now - self._at) * LOG_RATE)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
