"""Carries the dialogues of `bridge.oauth` out: requests go, replies come back."""

from typing import TypeVar

from bridge.errors import DestinationRefused, LinkError
from bridge.http import Fetcher
from bridge.oauth.http import (
    HttpFailure,
    HttpReply,
    HttpRequest,
    HttpResponse,
    Step,
    Steps,
)
from bridge.observe import catalogue as events
from bridge.observe.logging import Log

T = TypeVar("T")
_METADATA = frozenset({Step.RESOURCE_METADATA, Step.SERVER_METADATA})


class Dialogues:
    """The one place where OAuth meets the network. Every request is logged at debug."""

    def __init__(self, fetcher: Fetcher, *, log: Log) -> None:
        self._fetcher = fetcher
        self._log = log

    async def perform(self, steps: Steps[T]) -> T:
        """The dialogue's result. Raises its `OAuthError`; every request is bounded."""
        try:
            request = next(steps)
            while True:
                reply = await self._asked(request)
                self._say(request, reply)
                request = steps.send(reply)
        except StopIteration as done:
            return done.value

    async def _asked(self, request: HttpRequest) -> HttpReply:
        try:
            found = await self._fetcher.fetch(
                request.url,
                method=request.method,
                headers=request.headers,
                content=request.body,
            )
        except LinkError as error:
            refused = isinstance(error, DestinationRefused)
            return HttpFailure(reason=error.public, refused=refused)
        return HttpResponse(status=found.status, headers=found.headers, body=found.body)

    def _say(self, request: HttpRequest, reply: HttpReply) -> None:
        said = reply.reason if isinstance(reply, HttpFailure) else str(reply.status)
        if request.step in _METADATA:
            self._log.emit(events.OAUTH_DISCOVERY_TRIED, url=request.url, status=said)
        else:
            self._log.emit(
                events.OAUTH_REQUESTED,
                step=request.step.value,
                url=request.url,
                status=said,
            )
