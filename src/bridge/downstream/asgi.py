"""The adapter between ASGI and our handlers: one request in, one answer out."""

import trio
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope

from bridge.downstream.answer import Headers, refusal
from bridge.downstream.message import (
    Answer,
    Handler,
    Request,
    Response,
    StreamResponse,
)
from bridge.downstream.request import ClientGone, Reader, answer_to
from bridge.observe import catalogue as events
from bridge.observe.logging import Log

#: On every answer, unless the handler chose otherwise: nothing here is for caches or
#: for a browser to guess the type of.
SAFE: Headers = (
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
)
#: An iterator's own clean-up does not wait; this is for one that is broken.
CLEAN_UP = 1.0


class AsgiApplication:
    """ASGI 3 over a handler. The only place that catches everything."""

    def __init__(self, handler: Handler, *, reader: Reader, log: Log) -> None:
        self._handler = handler
        self._reader = reader
        self._log = log

    async def __call__(
        self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        try:
            request = self._reader.read(scope, receive)
            answer = await self._handler(request)
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001 - the endpoint boundary
            known = answer_to(error)
            await _give(known or self._crashed(scope, error), send)
            return
        if isinstance(answer, Response):
            await _give(answer, send)
        else:
            await self._stream(scope, request, answer, send=send)

    async def _stream(
        self,
        scope: HTTPScope,
        request: Request,
        answer: StreamResponse,
        *,
        send: ASGISendCallable,
    ) -> None:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_when_gone, request, nursery.cancel_scope)
                await _pump(answer, send)
                nursery.cancel_scope.cancel()
        except Exception as error:  # noqa: BLE001 - the endpoint boundary
            # The head is gone; without its last chunk the client sees a broken answer.
            self._crashed(scope, error)
        finally:
            await _clean_up(answer)

    def _crashed(self, scope: HTTPScope, error: Exception) -> Response:
        self._log.emit(
            events.REQUEST_FAILED,
            method=scope["method"],
            path=scope["path"],
            error=type(error).__name__,
            exc_info=error,
        )
        return refusal(500, "internal", "the bridge failed to answer this request")


async def _give(answer: Response, send: ASGISendCallable) -> None:
    length = ("content-length", str(len(answer.body)))
    given = answer.headers if answer.status == NO_CONTENT else (*answer.headers, length)
    await _start(answer, given, send)
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


async def _pump(answer: StreamResponse, send: ASGISendCallable) -> None:
    await _start(answer, answer.headers, send)
    async for chunk in answer.chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
        del chunk  # the next one may be long in coming, and this one large
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _start(answer: Answer, headers: Headers, send: ASGISendCallable) -> None:
    chosen = {name for name, _ in headers}
    safe = tuple(pair for pair in SAFE if pair[0] not in chosen)
    await send(
        {
            "type": "http.response.start",
            "status": answer.status,
            "headers": [
                (name.encode("latin-1"), value.encode("latin-1"))
                for name, value in (*headers, *safe)
            ],
        }
    )


async def _cancel_when_gone(request: Request, scope: trio.CancelScope) -> None:
    await request.disconnected()
    scope.cancel()


async def _clean_up(answer: StreamResponse) -> None:
    close = getattr(answer.chunks, "aclose", None)
    if close is not None:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + CLEAN_UP):
            await close()


NO_CONTENT = 204
