"""A link over streamable HTTP (MCP 2025-03-26 and later).

Every message is a POST of its own; the answer is JSON or an event stream. A stream that
ends before its answer is resumed when the server gave its events ids. What the server
says unasked comes by the standalone GET stream (`bridge.wire.listening`).
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus

import trio

from bridge.errors import (
    FrameInvalid,
    FrameTooLarge,
    LinkError,
    LinkLost,
    RequestRefused,
)
from bridge.http import Answer, HttpClient
from bridge.protocol.frame import Frame, decode_upstream
from bridge.protocol.sse import ServerEvent
from bridge.wire import answers
from bridge.wire.background import background_tasks
from bridge.wire.event_stream import EventStream, Take
from bridge.wire.http_upstream import HttpUpstream
from bridge.wire.inbox import Inbox
from bridge.wire.intake import refuse
from bridge.wire.link import Link, LinkEvent, Outgoing, Received
from bridge.wire.listening import Listening
from bridge.wire.posts import Body, Posts

#: Room beside the calls for notifications and answers to the server's questions.
_BESIDE_CALLS = 32
_FAREWELL = 3.0
_CLOSE_DEADLINE = 3.0
#: Resumptions in a row that brought nothing new.
_RESUMPTIONS = 5
#: The body of an answer that says nothing is read to its end, to keep the connection.
_COURTESY = 64 * 2**10

#: The headers a message needs by itself (the modern revision's Mcp-Method and others).
MessageHeaders = Callable[[Frame], Mapping[str, str]]


def no_message_headers(frame: Frame) -> Mapping[str, str]:  # noqa: ARG001 - the seam
    """Legacy revisions name nothing of a message in its headers."""
    return {}


class StreamableHttpTransport:
    """Opens links to one streamable HTTP endpoint; each has its own session."""

    def __init__(
        self,
        upstream: HttpUpstream,
        *,
        message_headers: MessageHeaders = no_message_headers,
    ) -> None:
        self._upstream = upstream
        self._message_headers = message_headers

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Link, None]:
        """A link at once: its first request connects. On exit the session ends."""
        link = _StreamableHttpLink(self._upstream, self._message_headers)
        try:
            async with background_tasks() as nursery:
                link.start(nursery)
                yield link
        finally:
            await link.aclose()


class _StreamableHttpLink:
    def __init__(self, upstream: HttpUpstream, message_headers: MessageHeaders) -> None:
        self._upstream = upstream
        self._message_headers = message_headers
        self._inbox = Inbox()
        self._bound = upstream.max_in_flight + _BESIDE_CALLS
        self._pool = upstream.pool(bound=self._bound)
        self._session = ""
        self._revision = ""
        self._nursery: trio.Nursery | None = None
        self._posts: Posts | None = None

    def start(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._posts = Posts(
            nursery,
            self._inbox,
            post=self._post,
            bound=self._bound,
            log=self._upstream.log,
        )

    async def aclose(self) -> None:
        """Tell the server that the session is over, and close the connections."""
        with trio.move_on_after(_FAREWELL, shield=True):
            if self._session and self._inbox.error is None:
                await self._farewell()
        # A server that is deaf to the farewell must not keep the connections.
        with trio.move_on_after(_CLOSE_DEADLINE, shield=True):
            await self._pool.aclose()

    # -- the link ------------------------------------------------------------------

    def send(self, outgoing: Outgoing) -> None:
        assert self._posts is not None
        self._posts.send(outgoing)

    def cancel(self, upstream_id: int) -> None:
        assert self._posts is not None
        self._posts.cancel(upstream_id)

    async def receive(self) -> LinkEvent:
        return await self._inbox.receive()

    def agreed(self, revision: str) -> None:
        self._revision = revision

    # -- requests ------------------------------------------------------------------

    def _headers(self, accept: str) -> dict[str, str]:
        headers = dict(self._upstream.headers())
        headers["Accept"] = accept
        if self._session:
            headers["Mcp-Session-Id"] = self._session
        if self._revision:
            headers["MCP-Protocol-Version"] = self._revision
        return headers

    def _described(self, outgoing: Outgoing, length: int) -> dict[str, str]:
        """The headers of a message with a body of ``length`` bytes."""
        headers = self._headers(f"{answers.JSON}, {answers.EVENT_STREAM}")
        headers |= {"Content-Type": answers.JSON, "Content-Length": str(length)}
        headers |= self._message_headers(outgoing.frame)
        return headers

    async def _post(self, outgoing: Outgoing) -> None:
        if outgoing.frame.method == "initialize":
            self._session = self._revision = ""
        body = Body(outgoing)
        async with self._pool.client() as client:
            stream = EventStream(limit=self._upstream.frame_bytes)
            async with self._upstream.exchange(
                client,
                "POST",
                self._upstream.url,
                headers=lambda: self._described(outgoing, len(body)),
                content=body,
            ) as response:
                done = await self._answered(response, outgoing, stream=stream)
            if not done:
                await self._resume(client, outgoing, stream=stream)
        if outgoing.frame.method == "notifications/initialized":
            self._listen()

    async def _answered(
        self, response: Answer, outgoing: Outgoing, *, stream: EventStream
    ) -> bool:
        """Deliver what the response holds. False: it ended before its answer."""
        refusal = answers.refusal(
            response.status,
            response.headers,
            name=self._upstream.name,
            in_session=bool(self._session),
        )
        if refusal is not None:
            await self._refused(response, outgoing, refusal=refusal)
            return True
        if outgoing.upstream_id is None:
            await response.read(limit=_COURTESY)
            return True
        if outgoing.frame.method == "initialize":
            self._keep_session(response.headers.get("mcp-session-id", ""))
        match answers.media_type(response.headers):
            case answers.JSON:
                await self._read_json(response, outgoing.upstream_id)
                return True
            case answers.EVENT_STREAM:
                return await stream.read(response, self._taker(outgoing.upstream_id))
            case other:
                raise LinkError(
                    f"'{self._upstream.name}' answered a request with status"
                    f" {response.status} and content type {other[:80]!r}"
                )

    async def _refused(
        self, response: Answer, outgoing: Outgoing, *, refusal: LinkError
    ) -> None:
        """Raise the refusal, unless its body is the JSON-RPC answer."""
        frame = None
        if (
            isinstance(refusal, RequestRefused)
            and outgoing.upstream_id is not None
            and answers.may_carry_answer(response.status, response.headers)
        ):
            body = await response.read(limit=self._upstream.frame_bytes)
            frame = answers.error_in(body, outgoing.upstream_id)
        if frame is None:
            raise refusal
        await self._inbox.put(Received(frame=frame, related=outgoing.upstream_id))

    def _keep_session(self, session: str) -> None:
        if session and not answers.is_session_id(session):
            raise LinkError(f"'{self._upstream.name}' gave an illegal session id")
        self._session = session

    async def _read_json(self, response: Answer, upstream_id: int) -> None:
        body = await response.read(limit=self._upstream.frame_bytes)
        if not await self._deliver(decode_upstream(body), upstream_id):
            raise LinkLost(f"'{self._upstream.name}' answered something else")

    def _taker(self, upstream_id: int) -> Take:
        async def take(event: ServerEvent) -> bool:
            return await self._take(event, upstream_id)

        return take

    async def _take(self, event: ServerEvent, related: int | None = None) -> bool:
        """Deliver an event. True: it was the answer to ``related``."""
        if event.event != "message" or not event.data.strip():
            return False  # a priming event carries an id and nothing else
        try:
            frames = decode_upstream(event.data)
        except FrameInvalid as error:
            await refuse(self._inbox, event.data, error)
            return False
        return await self._deliver(frames, related)

    async def _deliver(self, frames: tuple[Frame, ...], related: int | None) -> bool:
        answered = False
        for frame in frames:
            answered = answered or (frame.is_response and frame.id == related)
            await self._inbox.put(Received(frame=frame, related=related))
        return answered

    async def _resume(
        self, client: HttpClient, outgoing: Outgoing, *, stream: EventStream
    ) -> None:
        """Read on where the stream ended. The request itself is never sent again."""
        assert outgoing.upstream_id is not None
        take = self._taker(outgoing.upstream_id)
        left = _RESUMPTIONS
        while stream.last_event_id and left:
            await trio.sleep(self._upstream.spread(stream.pause))
            before = stream.last_event_id
            if await self._resumed(client, stream, take=take):
                return
            left = _RESUMPTIONS if stream.last_event_id != before else left - 1
        raise LinkLost(f"'{self._upstream.name}' ended the stream before the answer")

    async def _resumed(
        self, client: HttpClient, stream: EventStream, *, take: Take
    ) -> bool:
        position = {"Last-Event-ID": stream.last_event_id}
        try:
            async with self._upstream.exchange(
                client,
                "GET",
                self._upstream.url,
                headers=lambda: self._headers(answers.EVENT_STREAM) | position,
            ) as response:
                if response.status == HTTPStatus.OK:
                    return await stream.read(response, take)
        except LinkError:
            pass  # counted by the caller; refusals included
        return False

    # -- the standalone stream -----------------------------------------------------

    def _listen(self) -> None:
        assert self._nursery is not None
        listening = Listening(
            self._upstream,
            self._inbox,
            headers=lambda: self._headers(answers.EVENT_STREAM),
            take=self._take,
        )
        self._nursery.start_soon(listening.run)

    async def _farewell(self) -> None:
        try:
            async with (
                self._pool.client() as client,
                client.exchange(  # a farewell is not worth a renewal
                    "DELETE", self._upstream.url, headers=self._headers(answers.JSON)
                ) as response,
            ):
                await response.read(limit=_COURTESY)
        except (LinkError, FrameTooLarge):
            return  # a courtesy; the server's own idle limit does the rest
