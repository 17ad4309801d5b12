"""The standalone GET stream of a streamable HTTP session: what the server says unasked.

Offered or not (405); ends and is opened again, resumed where its events have ids. A
server that cannot be reached three times in a row is gone: the link is lost.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus

import trio

from bridge.errors import (
    ConnectFailed,
    FrameTooLarge,
    LinkError,
    LinkLost,
    RequestRefused,
    SessionLost,
)
from bridge.http import Answer
from bridge.wire import answers
from bridge.wire.event_stream import EventStream, Take
from bridge.wire.http_upstream import HttpUpstream
from bridge.wire.inbox import Inbox
from bridge.wire.link import FrameRefused

_UNREACHABLE = 3
_LONGEST_PAUSE = 60.0
#: A stream that lived this long was a real one: the pause starts anew.
_LIVED = 10.0
_PASSING = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


class Listening:
    """Keeps one stream open for as long as the link lives."""

    def __init__(
        self,
        upstream: HttpUpstream,
        inbox: Inbox,
        *,
        headers: Callable[[], Mapping[str, str]],
        take: Take,
    ) -> None:
        self._upstream = upstream
        self._inbox = inbox
        self._headers = headers
        self._take = take
        self._stream = EventStream(limit=upstream.frame_bytes)
        self._client = upstream.client()
        self._fruitless = 0
        self._unreachable = 0
        self._wish = 0.0  # of the server: Retry-After

    async def run(self) -> None:
        """Listen until the server offers no stream, or the link is lost."""
        try:
            while await self._listened():  # noqa: ASYNC110 - a pause, not a poll
                await trio.sleep(self._pause())
        finally:
            await self._client.aclose()

    def _pause(self) -> float:
        backoff = 2.0**self._fruitless - 1
        pause = min(_LONGEST_PAUSE, max(self._stream.pause, backoff))
        return max(self._upstream.spread(pause), self._wish)

    async def _listened(self) -> bool:
        """One response. False: there is no sense in asking for another."""
        began, last = trio.current_time(), self._stream.last_event_id
        self._wish = 0.0
        try:
            await self._listen()
        except SessionLost as error:
            self._inbox.fail(error)
            return False
        except ConnectFailed as error:
            return self._not_reached(error)
        except RequestRefused as error:
            self._unreachable = 0
            if error.status < 500 and error.status not in _PASSING:  # noqa: PLR2004 - the client errors
                return False  # 405 and its kin: there is no such stream
            self._wish = error.retry_after or 0.0
        except FrameTooLarge:
            await self._inbox.put(
                FrameRefused(kind="too_large", size=self._upstream.frame_bytes)
            )
        except LinkError:
            self._unreachable = 0
        lived = trio.current_time() - began >= _LIVED
        fruitful = lived or self._stream.last_event_id != last
        self._fruitless = 0 if fruitful else min(self._fruitless + 1, 10)
        return True

    def _not_reached(self, error: ConnectFailed) -> bool:
        self._fruitless = min(self._fruitless + 1, 10)
        self._unreachable += 1
        if self._unreachable < _UNREACHABLE:
            return True
        self._inbox.fail(LinkLost(error.public))
        return False

    async def _listen(self) -> None:
        headers = self._described()
        async with self._upstream.exchange(
            self._client, "GET", self._upstream.url, headers=self._described
        ) as response:
            self._check(response, in_session="Mcp-Session-Id" in headers)
            self._unreachable = 0
            await self._stream.read(response, self._take)

    def _described(self) -> Mapping[str, str]:
        headers = dict(self._headers())
        if self._stream.last_event_id:
            headers["Last-Event-ID"] = self._stream.last_event_id
        return headers

    def _check(self, response: Answer, *, in_session: bool) -> None:
        refusal = answers.refusal(
            response.status,
            response.headers,
            name=self._upstream.name,
            in_session=in_session,
        )
        if refusal is not None:
            raise refusal
        if answers.media_type(response.headers) != answers.EVENT_STREAM:
            raise RequestRefused("this is no event stream", status=405)
