"""A link over HTTP+SSE (MCP 2024-11-05): one GET stream in, a POST per message out.

The first event of the stream names the address of the POSTs. It must be of the
stream's own origin: the token goes there. The end of the stream is the link's end.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio

from bridge.errors import (
    ConnectFailed,
    FrameInvalid,
    FrameTooLarge,
    LinkError,
    LinkLost,
    LinkTimeout,
)
from bridge.http import Answer, resolve
from bridge.protocol.frame import decode_upstream
from bridge.protocol.sse import ServerEvent
from bridge.wire import answers
from bridge.wire.background import background_tasks
from bridge.wire.event_stream import EventStream
from bridge.wire.http_upstream import HttpUpstream
from bridge.wire.inbox import Inbox
from bridge.wire.intake import refuse
from bridge.wire.link import Link, LinkEvent, Outgoing, Received
from bridge.wire.posts import Body, Posts

_POSTS_AT_ONCE = 8
_BESIDE_CALLS = 32
_ENDPOINT_DEADLINE = 10.0
#: A POST is answered at once; the answer to its message comes by the stream.
_POST_DEADLINE = 30.0
_COURTESY = 64 * 2**10
_CLOSE_DEADLINE = 3.0


class SseTransport:
    """Opens links to one HTTP+SSE endpoint."""

    def __init__(self, upstream: HttpUpstream) -> None:
        self._upstream = upstream

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Link, None]:
        """Open the stream and wait for its endpoint.

        Raises `ConnectFailed`, `Unauthorized`, `Forbidden`, `RequestRefused`.
        """
        link = _SseLink(self._upstream)
        try:
            async with background_tasks() as nursery:
                link.start(nursery)
                await link.ready()
                yield link
        finally:
            await link.aclose()


class _SseLink:
    def __init__(self, upstream: HttpUpstream) -> None:
        self._upstream = upstream
        self._inbox = Inbox()
        self._stream_client = upstream.client()
        self._pool = upstream.pool(bound=_POSTS_AT_ONCE)
        self._endpoint = ""
        self._ready = trio.Event()
        self._revision = ""
        self._posts: Posts | None = None

    def start(self, nursery: trio.Nursery) -> None:
        self._posts = Posts(
            nursery,
            self._inbox,
            post=self._post,
            bound=self._upstream.max_in_flight + _BESIDE_CALLS,
            log=self._upstream.log,
        )
        nursery.start_soon(self._listen)

    async def ready(self) -> None:
        """Wait for the address of the POSTs."""
        with trio.move_on_after(_ENDPOINT_DEADLINE) as scope:
            await self._ready.wait()
        if scope.cancelled_caught:
            raise ConnectFailed(
                f"'{self._upstream.name}' sent no endpoint event"
                f" within {_ENDPOINT_DEADLINE:g} s"
            )
        self._inbox.check()

    async def aclose(self) -> None:
        with trio.move_on_after(_CLOSE_DEADLINE, shield=True):
            await self._stream_client.aclose()
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

    # -- out -----------------------------------------------------------------------

    def _headers(self) -> dict[str, str]:
        headers = dict(self._upstream.headers())
        if self._revision:
            headers["MCP-Protocol-Version"] = self._revision
        return headers

    async def _post(self, outgoing: Outgoing) -> None:
        body = Body(outgoing)
        try:
            with trio.fail_after(_POST_DEADLINE):
                await self._exchange(body)
        except trio.TooSlowError:
            raise LinkTimeout(
                f"'{self._upstream.name}' did not take a message in time"
            ) from None

    async def _exchange(self, body: Body) -> None:
        described = {"Content-Type": answers.JSON, "Content-Length": str(len(body))}
        async with (
            self._pool.client() as client,
            self._upstream.exchange(
                client,
                "POST",
                self._endpoint,
                headers=lambda: self._headers() | described,
                content=body,
            ) as response,
        ):
            self._check(response)
            await response.read(limit=_COURTESY)

    def _check(self, response: Answer) -> None:
        refusal = answers.refusal(
            response.status, response.headers, name=self._upstream.name
        )
        if refusal is not None:
            raise refusal

    # -- in ------------------------------------------------------------------------

    async def _listen(self) -> None:
        try:
            await self._read_stream()
        except FrameTooLarge as error:
            self._inbox.fail(LinkLost(f"'{self._upstream.name}': {error.public}"))
        except LinkError as error:
            self._inbox.fail(error)
        else:
            self._inbox.fail(LinkLost(f"'{self._upstream.name}' ended its stream"))
        finally:
            self._ready.set()

    async def _read_stream(self) -> None:
        stream = EventStream(limit=self._upstream.frame_bytes)
        async with self._upstream.exchange(
            self._stream_client,
            "GET",
            self._upstream.url,
            headers=lambda: self._headers() | {"Accept": answers.EVENT_STREAM},
        ) as response:
            self._check(response)
            media = answers.media_type(response.headers)
            if media != answers.EVENT_STREAM:
                raise ConnectFailed(
                    f"'{self._upstream.name}' answered with content type"
                    f" {media[:80]!r} where an event stream was expected"
                )
            await stream.read(response, self._take)

    async def _take(self, event: ServerEvent) -> bool:
        match event.event:
            case "endpoint":
                self._take_endpoint(event.data)
            case "message" if event.data.strip():
                await self._take_message(event.data)
            case _:  # an event of a later day
                pass
        return False

    def _take_endpoint(self, data: bytes) -> None:
        if self._endpoint:
            return  # the first one counts (C24)
        target = resolve(self._upstream.url, data.decode("utf-8", "replace").strip())
        if target is None:
            raise ConnectFailed(
                f"'{self._upstream.name}' names an endpoint of another origin"
            )
        self._endpoint = target
        self._ready.set()

    async def _take_message(self, data: bytes) -> None:
        try:
            frames = decode_upstream(data)
        except FrameInvalid as error:
            await refuse(self._inbox, data, error)
            return
        for frame in frames:
            await self._inbox.put(Received(frame=frame))
