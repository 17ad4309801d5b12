"""The body of an answer, received chunk by chunk, that may be left at any time."""

from collections.abc import AsyncIterable, Generator
from contextlib import contextmanager
from typing import Protocol, cast

import h2.exceptions
import httpcore
import httpx
import trio

from bridge.errors import ConnectFailed, DestinationRefused, LinkLost, LinkTimeout
from bridge.http.backend import ConnectForbidden

_CLOSE_DEADLINE = 2.0
_REASON_SHOWN = 200


@contextmanager
def mapped(origin: str) -> Generator[None, None, None]:
    """httpcore's exceptions in our tree."""
    try:
        yield
    except ConnectForbidden as error:
        raise DestinationRefused(f"{origin} was not asked: {error}") from error
    except (
        httpcore.ConnectError,
        httpcore.ConnectTimeout,
        httpcore.UnsupportedProtocol,
    ) as error:
        raise ConnectFailed(f"cannot connect to {origin}: {error}") from error
    except httpcore.TimeoutException as error:
        raise LinkTimeout(f"{origin} did not take the request in time") from error
    except (
        httpcore.NetworkError,
        httpcore.ProtocolError,
        h2.exceptions.H2Error,  # httpcore lets it through while a body is read
    ) as error:
        # It may quote what the server sent, whatever the length of that.
        reason = str(error)[:_REASON_SHOWN] or "connection reset"
        raise LinkLost(f"the connection to {origin} broke: {reason}") from error


class Connection(Protocol):
    """The one connection under a body."""

    async def cut(self) -> None:
        """Close it now: whoever reads from it gets an error."""
        ...

    async def reset(self) -> None:
        """Forget it: the next request opens another."""
        ...


class Body(httpx.AsyncByteStream):
    """Receives from httpcore's chain of generators and never leaves it half run.

    A generator that is dropped is finalised by the garbage collector, whenever that
    comes by. So a body that is left early has its connection cut, and is then read to
    the error: that ends every generator in order.
    """

    def __init__(
        self,
        stream: AsyncIterable[bytes],
        *,
        origin: str,
        connection: Connection,
    ) -> None:
        self._chunks = stream.__aiter__()
        self._stream = cast("httpx.AsyncByteStream", stream)
        self._origin = origin
        self._connection = connection
        self._ended = False
        self._complete = False

    def __aiter__(self) -> "Body":
        return self

    async def __anext__(self) -> bytes:
        try:
            with mapped(self._origin):
                return await self._chunks.__anext__()
        except StopAsyncIteration:
            self._ended = self._complete = True
            raise
        except BaseException:
            self._ended = True
            raise

    async def aclose(self) -> None:
        """Leave the body; unless it was complete, its connection is closed."""
        with trio.move_on_after(_CLOSE_DEADLINE, shield=True):
            if self._complete:
                await self._stream.aclose()
                return
            # HTTP/2 in httpcore neither resets a stream left unread nor returns its
            # flow window; the server must learn that nobody listens.
            await self._connection.cut()
            while not self._ended:
                await self._skip()
            await self._stream.aclose()
            await self._connection.reset()

    async def _skip(self) -> None:
        try:
            await self.__anext__()
        except (StopAsyncIteration, LinkLost, LinkTimeout):
            return
