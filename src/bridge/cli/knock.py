"""One request to an upstream, to hear what it says at the door (R77)."""

from collections.abc import Mapping

import msgspec
import trio

from bridge import __version__
from bridge.config.model import UpstreamConfig
from bridge.errors import LinkTimeout
from bridge.http import HttpClient
from bridge.oauth.address import http_url, shown_address
from bridge.protocol.handshake import Introduction, initialize_params
from bridge.wire.credentials import static_headers

_DEADLINE = 15.0
_REFUSALS = frozenset({401, 403})
#: What a server of HTTP+SSE alone answers to a POST at its address (protocol 3.3).
_NOT_FOR_POST = frozenset({400, 404, 405, 406, 415})
_BOTH = "application/json, text/event-stream"


class Knock(msgspec.Struct, frozen=True, kw_only=True):
    """What was answered; the body was not read. ``asked``: method and address."""

    asked: str
    status: int
    challenge: str = ""  # WWW-Authenticate

    @property
    def refused(self) -> bool:
        """A token is wanted, or this one is not good enough."""
        return self.status in _REFUSALS

    @property
    def trouble(self) -> bool:
        """The server itself is not well, whoever asks."""
        return self.status >= 500  # noqa: PLR2004 - RFC 9110


async def knock(
    config: UpstreamConfig, client: HttpClient, *, token: str = ""
) -> Knock:
    """Ask as the transport begins: GET for an event stream, else ``initialize``.

    Without ``token`` no Authorization of ours is sent where OAuth is to bring one.
    Raises `LinkError`.
    """
    headers = static_headers(config)
    if token:
        headers["authorization"] = f"Bearer {token}"
    with trio.move_on_after(_DEADLINE):
        if config.transport in {"sse", "websocket"}:
            return await _get(config, client, headers=headers)
        posted = await _post(config, client, headers=headers)
        if config.transport is None and posted.status in _NOT_FOR_POST:
            return await _get(config, client, headers=headers)
        return posted
    raise LinkTimeout(f"no answer within {_DEADLINE:g} s")


async def _get(
    config: UpstreamConfig, client: HttpClient, *, headers: Mapping[str, str]
) -> Knock:
    url = http_url(config.url)
    accept = {"accept": "text/event-stream"}
    async with client.exchange("GET", url, headers={**headers, **accept}) as answer:
        return Knock(
            asked=f"GET {shown_address(url)}",
            status=answer.status,
            challenge=answer.headers.get("www-authenticate", ""),
        )


async def _post(
    config: UpstreamConfig, client: HttpClient, *, headers: Mapping[str, str]
) -> Knock:
    said = {"accept": _BOTH, "content-type": "application/json"}
    async with client.exchange(
        "POST", config.url, headers={**headers, **said}, content=_initialize()
    ) as answer:
        found = Knock(
            asked=f"POST {shown_address(config.url)}",
            status=answer.status,
            challenge=answer.headers.get("www-authenticate", ""),
        )
        session = answer.headers.get("mcp-session-id", "")
    if session:  # nobody will use it
        ours = {**headers, "mcp-session-id": session}
        async with client.exchange("DELETE", config.url, headers=ours):
            pass
    return found


def _initialize() -> bytes:
    params = initialize_params(Introduction(version=__version__))
    return msgspec.json.encode(
        {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
    )
