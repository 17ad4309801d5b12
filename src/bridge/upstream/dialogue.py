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
from bridge.upstream.turns import PROVIDER, Place, PutAside, Turn, Turns, authority_of
from bridge.wire.answers import retry_after

T = TypeVar("T")
#: A token request has 15 s in all; what waits longer is tried again later.
_PATIENCE = 5.0
_ASK_PATIENCE = frozenset({429, 503})
_SERVER_FAULT = 500
#: Somebody waits for these, and a code is good for one attempt and a minute.
_OF_PERSONS = (b"grant_type=authorization_code", b"device_code")
_METADATA = frozenset({Step.RESOURCE_METADATA, Step.SERVER_METADATA})


class Dialogues:
    """The one place where OAuth meets the network. Every request is logged at debug.

    The requests of all upstreams to one provider take turns, and a provider that asked
    for patience is not asked again until then.
    """

    def __init__(self, fetcher: Fetcher, turns: Turns, *, log: Log) -> None:
        self._fetcher = fetcher
        self._turns = turns
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
        if _is_of_a_person(request):
            return await self._fetched(request)
        place = Place(name=authority_of(request.url), manner=PROVIDER)
        turn = self._turns.at(place)
        try:
            await turn.take(_nobody_looks, within=_PATIENCE)
            reply = await self._fetched(request)
            _learn(turn, reply)
        except PutAside as aside:
            return HttpFailure(reason=aside.public, retry_after=aside.seconds)
        finally:
            turn.over()
        return reply

    async def _fetched(self, request: HttpRequest) -> HttpReply:
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


def _is_of_a_person(request: HttpRequest) -> bool:
    body = request.body or b""
    return request.step is Step.TOKEN and any(mark in body for mark in _OF_PERSONS)


def _nobody_looks(_until: float, _reason: str) -> None:
    """A request is too short to be shown while it waits."""


def _learn(turn: Turn, reply: HttpReply) -> None:
    if isinstance(reply, HttpFailure):
        return
    if reply.status in _ASK_PATIENCE:
        turn.put_aside(retry_after(reply.headers))
    elif reply.status < _SERVER_FAULT:
        turn.went_well()
