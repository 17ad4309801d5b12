"""Small requests with a deadline and a size limit: key sets, metadata, tokens."""

from collections.abc import Callable, Mapping

import msgspec
import trio

from bridge.errors import FrameTooLarge, LinkError, LinkTimeout
from bridge.http.client import HttpClient

_MEBIBYTE = 2**20
_DEADLINE = 10.0


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP answer, whatever its status. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Fetcher:
    """Opens a connection per request: these are rare, and idle ones cost."""

    def __init__(self, make: Callable[[], HttpClient]) -> None:
        self._make = make

    async def fetch(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        max_bytes: int = _MEBIBYTE,
        deadline: float = _DEADLINE,
    ) -> Fetched:
        """The answer, its redirects followed within the origin only.

        Raises `LinkError`: `ConnectFailed`, `LinkTimeout` after ``deadline`` seconds,
        and a plain one when the body passes ``max_bytes``.
        """
        client = self._make()
        try:
            with trio.fail_after(deadline):
                async with client.exchange(
                    method, url, headers=headers or {}, content=content
                ) as answer:
                    body = await answer.read(limit=max_bytes)
        except trio.TooSlowError:
            raise LinkTimeout(f"no answer within {deadline:g} s") from None
        except FrameTooLarge as error:
            raise LinkError(error.public) from error
        finally:
            await client.aclose()
        return Fetched(status=answer.status, headers=dict(answer.headers), body=body)
