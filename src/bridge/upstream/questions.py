"""Requests of an upstream to a client: who certainly owns one, and which are open.

An upstream connection is shared, so a question is given to a client only when it is
certainly that client's (protocol 4.1, C32). Pure: time is an argument.
"""

from math import inf

import msgspec

from bridge.contract.principal import Principal
from bridge.upstream.calls import CallTable, Flight

QUESTIONS_OPEN = 64
QUESTION_PATIENCE = 300.0


def certain_owner(
    calls: CallTable, principals: set[Principal], *, related: int | None
) -> Flight | None:
    """The call whose client owns a message of the upstream, if that is certain.

    ``related`` is the call whose response stream carried it. ``principals`` are all
    whose calls the epoch has carried since it began: with one only, even a question
    that comes too late is theirs. That one call is in flight proves nothing.
    """
    owner = calls.find(related)
    if owner is not None:
        return owner
    return calls.oldest() if len(principals) == 1 else None


class OpenQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """A question some client is thinking about, on behalf of a call in flight.

    ``left``: what the call's idle deadline had left when it was first asked.
    """

    owner: int
    due: float
    left: float


class Questions:
    """The open questions of one epoch, by the upstream's own request id."""

    def __init__(self) -> None:
        self._open: dict[int | str, OpenQuestion] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, question: int | str) -> bool:
        return question in self._open

    @property
    def full(self) -> bool:
        return len(self._open) >= QUESTIONS_OPEN

    def add(self, question: int | str, *, owner: Flight, now: float) -> OpenQuestion:
        """Open a question; it never outlives the call's own maximum."""
        due = min(now + QUESTION_PATIENCE, owner.last)
        asking = self._first_of(owner.upstream_id)
        left = owner.due - now if asking is None else asking.left
        opened = OpenQuestion(owner=owner.upstream_id, due=due, left=left)
        self._open[question] = opened
        return opened

    def take(self, question: int | str) -> OpenQuestion | None:
        """Close a question. None: it was not open."""
        return self._open.pop(question, None)

    def asks(self, owner: int) -> bool:
        """Whether a call in flight has a question open."""
        return self._first_of(owner) is not None

    def take_owned(self, owner: int) -> list[int | str]:
        """Close the questions of a call that has ended."""
        return self._take([key for key, q in self._open.items() if q.owner == owner])

    def take_overdue(self, now: float) -> list[int | str]:
        """Close the questions nobody answered in time."""
        return self._take([key for key, q in self._open.items() if q.due <= now])

    def next_due(self) -> float:
        return min((opened.due for opened in self._open.values()), default=inf)

    def _first_of(self, owner: int) -> OpenQuestion | None:
        return next((q for q in self._open.values() if q.owner == owner), None)

    def _take(self, questions: list[int | str]) -> list[int | str]:
        for question in questions:
            del self._open[question]
        return questions
