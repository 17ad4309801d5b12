"""Runs the dialogues of ``bridge.oauth`` without a network."""

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

import msgspec

from bridge.oauth.http import HttpReply, HttpRequest, HttpResponse, Steps

T = TypeVar("T")
Replies = Mapping[str, HttpReply] | Callable[[HttpRequest], HttpReply]
#: What an address answers that nobody thought of.
ABSENT = HttpResponse(status=404)


class Dialogue(Generic[T]):
    """A dialogue that ended: its ``result``, and every request it made, in order."""

    def __init__(self, result: T, requests: list[HttpRequest]) -> None:
        self.result = result
        self.requests = requests

    @property
    def urls(self) -> list[str]:
        return [request.url for request in self.requests]


def run_steps(
    steps: Steps[T], replies: Replies, *, requests: list[HttpRequest] | None = None
) -> Dialogue[T]:
    """Answer each request from ``replies`` (by address; else 404) until the end.

    What the dialogue raises passes through; give ``requests`` to see them even then.
    """
    made: list[HttpRequest] = [] if requests is None else requests
    try:
        request = next(steps)
        while True:
            made.append(request)
            request = steps.send(_reply(request, replies))
    except StopIteration as end:
        return Dialogue(end.value, made)


def _reply(request: HttpRequest, replies: Replies) -> HttpReply:
    if callable(replies):
        return replies(request)
    return replies.get(request.url, ABSENT)


def answer(document: object, *, status: int = 200) -> HttpResponse:
    """A JSON answer."""
    return HttpResponse(
        status=status,
        headers={"content-type": "application/json"},
        body=msgspec.json.encode(document),
    )
