"""When the event loop was held up, by whom, and what is said of it. Pure.

A beat is due every `PERIOD`. One that comes `LIMIT` late or later means that nothing
else could run in the meantime. While it is late, samples tell which task runs.
"""

import msgspec

#: Between two beats: a stall of ``LIMIT + PERIOD`` is always seen, one of ``LIMIT``
#: mostly. More beats would see more and cost more (about 0.1 % of a processor now).
PERIOD = 0.05
#: A loop held up for longer is worth a line (E8).
LIMIT = 0.1
#: One line in so many seconds; what is not said is counted in the next one.
SPACING = 10.0
#: A loop that never comes back is told after so long, while it still hangs.
HOPELESS = 5.0
#: Nothing more is learned from further samples of one stall.
MAX_SAMPLES = 20
NOBODY = "(no task)"
SEVERAL = "(several tasks)"


class Sample(msgspec.Struct, frozen=True):
    """Which task ran when the beat was overdue, and where in our code."""

    task: str = NOBODY
    where: str = ""


class Stall(msgspec.Struct, frozen=True, kw_only=True):
    """``seconds``: at least so long. ``cpu``: processor seconds the process used in
    that time; much less than ``seconds`` means that it waited for a disk, was
    suspended, or did not get a processor."""

    seconds: float
    cpu: float
    task: str
    where: str
    suppressed: int = 0


class StallRecord:
    """Beats and samples in; stalls worth a line out."""

    def __init__(self, *, now: float, cpu: float) -> None:
        self.count = 0
        self.longest = 0.0
        self._beaten_at = now
        self._cpu = cpu
        self._samples: list[Sample] = []
        self._hopeless = False
        self._said_at = -SPACING
        self._suppressed = 0

    def sampled(self, sample: Sample, *, now: float, cpu: float) -> Stall | None:
        """The beat is overdue. A stall is returned once, when it seems hopeless."""
        if len(self._samples) < MAX_SAMPLES:
            self._samples.append(sample)
        late = now - self._beaten_at
        if late < HOPELESS or self._hopeless:
            return None
        self._hopeless = True
        return self._stall(late, cpu)

    def beat(self, *, now: float, cpu: float) -> Stall | None:
        """The loop runs. The stall before it, if there was one that is to be told."""
        late = now - self._beaten_at - PERIOD
        stall = self._stall(late, cpu) if late >= LIMIT else None
        self._beaten_at, self._cpu = now, cpu
        self._samples.clear()
        self._hopeless = False
        if stall is None:
            return None
        self.count += 1
        self.longest = max(self.longest, late)
        return self._unless_too_many(stall, now)

    def _stall(self, seconds: float, cpu: float) -> Stall:
        culprit = self._culprit()
        return Stall(
            seconds=round(seconds, 3),
            cpu=round(cpu - self._cpu, 3),
            task=culprit.task,
            where=culprit.where,
        )

    def _culprit(self) -> Sample:
        """The one task that ran all the time; a busy loop has no single one."""
        if not self._samples:
            return Sample()
        first = self._samples[0]
        if all(each.task == first.task for each in self._samples):
            return first
        return Sample(SEVERAL)

    def _unless_too_many(self, stall: Stall, now: float) -> Stall | None:
        if now - self._said_at < SPACING:
            self._suppressed += 1
            return None
        said = msgspec.structs.replace(stall, suppressed=self._suppressed)
        self._said_at, self._suppressed = now, 0
        return said
