"""What happened in one simulated run, in order; and what must not have happened."""

import hashlib
from collections import Counter

import msgspec
import trio


class Happening(msgspec.Struct, frozen=True):
    """One event of a run."""

    at: float
    who: str
    what: str

    def __str__(self) -> str:
        return f"{self.at:9.3f}  {self.who:<14} {self.what}"


class Breach(msgspec.Struct, frozen=True):
    """A promise that was broken."""

    at: float
    promise: str
    what: str

    def __str__(self) -> str:
        return f"[{self.promise}] at {self.at:.3f}: {self.what}"


class Trace:
    """The ordered events of one run, its faults by kind and its breaches."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.happenings: list[Happening] = []
        self.breaches: list[Breach] = []
        self.faults: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.crash_text = ""

    def note(self, who: str, what: str) -> None:
        """Record that something happened."""
        self.happenings.append(Happening(_now(), who, what))

    def fault(self, who: str, kind: str) -> None:
        """Record that the world did something nasty."""
        self.faults[kind] += 1
        self.note(who, f"FAULT {kind}")

    def breach(self, promise: str, what: str) -> None:
        """Record a broken promise; the run goes on."""
        self.breaches.append(Breach(_now(), promise, what))
        self.note("BREACH", f"[{promise}] {what}")

    def crash(self, text: str) -> None:
        """An exception came out; its traceback is for people, not for comparing."""
        self.crash_text = text
        last = text.strip().rpartition("\n")[2]
        self.breaches.append(Breach(-1.0, "crash", last))

    @property
    def text(self) -> str:
        return "\n".join(str(each) for each in self.happenings)

    @property
    def digest(self) -> str:
        """Equal for equal runs."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def report(self, *, last: int = 40) -> str:
        """What a person needs who meets the failure: what, when, and how to replay."""
        broken = "\n".join(f"  {each}" for each in self.breaches)
        tail = "\n".join(f"  {each}" for each in self.happenings[-last:])
        return (
            f"seed {self.seed} breaks {len(self.breaches)} promise(s):\n{broken}\n"
            f"replay with: make replay SEED={self.seed}\n"
            f"the last {last} events:\n{tail}\n{self.crash_text}"
        )


def _now() -> float:
    return round(trio.current_time(), 6)
