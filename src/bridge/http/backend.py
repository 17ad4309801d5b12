"""httpcore's view of the Network port: trio streams, TLS, and whether one has ended."""

# ruff: noqa: ASYNC109, PLR0917 - the signatures are httpcore's
import os
import ssl
from collections.abc import Generator, Iterable
from contextlib import contextmanager, nullcontext
from typing import Any, cast

import httpcore
import trio

from bridge.http.guarded import AddressForbidden
from bridge.ports import Network


class ConnectForbidden(httpcore.ConnectError):
    """No connection was tried: no address of the host may be asked."""


@contextmanager
def _mapped(
    timeout: float | None,
    *,
    late: type[Exception],
    broken: type[Exception],
) -> Generator[None, None, None]:
    """A deadline, and httpcore's own exceptions for what trio raises."""
    try:
        with nullcontext() if timeout is None else trio.fail_after(timeout):
            yield
    except trio.TooSlowError as error:
        raise late("timed out") from error
    except AddressForbidden as error:
        raise ConnectForbidden(str(error)) from error
    except (trio.BrokenResourceError, trio.ClosedResourceError, OSError) as error:
        # trio wraps what TLS has to say; the reason is the cause.
        raise broken(_reason(error)) from error


def _reason(error: BaseException) -> str:
    """What went wrong, once for all addresses of a host that were tried."""
    cause = error.__cause__
    if not isinstance(cause, BaseExceptionGroup):
        return str(cause or error)
    tried = cast("BaseExceptionGroup[BaseException]", cause).exceptions
    return "; ".join(dict.fromkeys(map(_said, tried)))


def _said(error: BaseException) -> str:
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number) if number else str(error)


class PortStream(httpcore.AsyncNetworkStream):
    """A trio stream, as httpcore wants it."""

    def __init__(
        self, stream: trio.abc.Stream, *, under_tls: trio.abc.Stream | None = None
    ) -> None:
        self._stream = stream
        self._under_tls = under_tls
        self._cut = False
        self.secured: PortStream | None = None  # what TLS made of it

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._cut:
            raise httpcore.ReadError("the connection was cut")
        with _mapped(timeout, late=httpcore.ReadTimeout, broken=httpcore.ReadError):
            return bytes(await self._stream.receive_some(max_bytes))

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _mapped(timeout, late=httpcore.WriteTimeout, broken=httpcore.WriteError):
            await self._stream.send_all(buffer)

    async def aclose(self) -> None:
        # Not the polite end: httpcore shields this, and a TLS farewell may hang.
        await trio.aclose_forcefully(self._stream)

    async def cut(self) -> None:
        """Close it now; whoever reads from it gets an error."""
        self._cut = True
        await self.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        stream = trio.SSLStream(
            self._stream,
            ssl_context,
            server_hostname=server_hostname,
            https_compatible=True,
        )
        try:
            with _mapped(
                timeout, late=httpcore.ConnectTimeout, broken=httpcore.ConnectError
            ):
                await stream.do_handshake()
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        self.secured = PortStream(stream, under_tls=self._stream)
        return self.secured

    def get_extra_info(self, info: str) -> Any:
        """httpcore asks for the TLS state (ALPN) and whether an idle stream ended."""
        match info:
            case "ssl_object" if self._under_tls is not None:
                return self._stream  # answers selected_alpn_protocol() itself
            case "is_readable":
                return self._is_readable()
            case _:
                return None

    def _is_readable(self) -> bool:
        if self._cut:
            return True  # as one that ended; the socket is gone
        sock = getattr(self._under_tls or self._stream, "socket", None)
        readable = getattr(sock, "is_readable", None)
        return bool(readable()) if readable is not None else False


class PortBackend(httpcore.AsyncNetworkBackend):
    """Opens connections through the Network port."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._newest: PortStream | None = None

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002 - never asked for
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002 - never asked for
    ) -> httpcore.AsyncNetworkStream:
        with _mapped(
            timeout, late=httpcore.ConnectTimeout, broken=httpcore.ConnectError
        ):
            self._newest = PortStream(await self._network.connect(host, port))
        return self._newest

    async def cut(self) -> None:
        """Cut the connection made last: the only one of a transport."""
        if self._newest is not None:
            await (self._newest.secured or self._newest).cut()

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)
