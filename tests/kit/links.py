"""How tests speak over a link."""

from collections.abc import Callable
from typing import Any

import msgspec
import trio

from bridge.errors import LinkError
from bridge.protocol.frame import Frame, encode, notification, request
from bridge.wire.link import FrameRefused, Link, LinkEvent, Outgoing, Received

REVISION = "2025-11-25"


def ask(
    link: Link, method: str, params: object | None = None, *, upstream_id: int
) -> Outgoing:
    """Send a request."""
    frame = request(method, params, id=upstream_id)
    outgoing = Outgoing(frame, upstream_id=upstream_id)
    link.send(outgoing)
    return outgoing


def tell(link: Link, method: str, params: object | None = None) -> None:
    """Send a notification."""
    link.send(Outgoing(notification(method, params)))


async def until(
    link: Link, wanted: Callable[[LinkEvent], bool], *, seconds: float = 20
) -> LinkEvent:
    """The first event that is ``wanted``; others are dropped."""
    with trio.fail_after(seconds):
        while not wanted(event := await link.receive()):
            pass
    return event


async def answer_to(link: Link, upstream_id: int) -> Frame:
    """The response to a request; a refusal of it is raised."""

    def wanted(event: LinkEvent) -> bool:
        match event:
            case Received(frame=frame):
                return frame.is_response and frame.id == upstream_id
            case FrameRefused():
                return False
            case failed:
                return failed.upstream_id == upstream_id

    match await until(link, wanted):
        case Received(frame=frame):
            return frame
        case FrameRefused():
            raise AssertionError
        case failed:
            raise failed.error


async def lost(link: Link) -> LinkError:
    """Read the link to its end and return why it was lost."""
    with trio.fail_after(60):
        while True:
            try:
                await link.receive()
            except LinkError as error:
                return error


async def initialize(link: Link) -> dict[str, Any]:
    """The legacy handshake; returns the result."""
    params = {
        "protocolVersion": REVISION,
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    ask(link, "initialize", params, upstream_id=1)
    result = result_of(await answer_to(link, 1))
    link.agreed(result["protocolVersion"])
    tell(link, "notifications/initialized")
    return result


def result_of(frame: Frame) -> dict[str, Any]:
    """The decoded result of a response."""
    return msgspec.json.decode(encode(frame))["result"]
