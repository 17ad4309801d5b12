"""Pure: dialogues that are listened to, or only begun."""

from typing import TypeVar

import msgspec

from bridge.oauth.address import shown_address
from bridge.oauth.http import HttpReply, HttpResponse, Step, Steps

T = TypeVar("T")

_OK = 200


class Asked(msgspec.Struct, frozen=True):
    """One request of a dialogue, and what became of it."""

    step: Step
    url: str
    answered: str

    @property
    def found(self) -> bool:
        return self.answered == str(_OK)


def recorded(steps: Steps[T], trail: list[Asked]) -> Steps[T]:
    """The same dialogue; every exchange is put on ``trail``."""
    try:
        request = next(steps)
        while True:
            reply = yield request
            trail.append(Asked(request.step, shown_address(request.url), _said(reply)))
            request = steps.send(reply)
    except StopIteration as done:
        return done.value
    finally:
        steps.close()


def _said(reply: HttpReply) -> str:
    return str(reply.status) if isinstance(reply, HttpResponse) else reply.reason


def unasked(steps: Steps[T]) -> T | None:
    """The result of a dialogue that has nothing to ask; None: it would ask.

    Raises what it raises. The dialogue is closed: nothing is asked.
    """
    try:
        next(steps)
    except StopIteration as done:
        return done.value
    finally:
        steps.close()
    return None
