"""What clients send that is no request: it is refused, and nothing else happens."""

import random

import trio

from kit.browser import Headers
from sim.visit import JSON, LOST, Visit

#: One body each; all of them are refused, none with a 5xx.
BODIES: dict[str, bytes] = {
    "not json": b"{nonsense",
    "not utf-8": b'{"jsonrpc":"2.0","id":1,"method":"\xff\xfe"}',
    "deep": b"[" * 5000,
    "empty batch": b"[]",
    "number": b"12",
    "id of a list": b'{"jsonrpc":"2.0","id":[1],"method":"ping"}',
    "no method": b'{"jsonrpc":"2.0","id":1}',
    "unasked answer": b'{"jsonrpc":"2.0","id":"nobody","result":{}}',
    "unknown cancel": b'{"jsonrpc":"2.0","method":"notifications/cancelled",'
    b'"params":{"requestId":"nobody"}}',
}
CUT_OFF = b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1:8080\r\ncontent-length: 900\r\n\r\n{"
#: An answer to junk comes soon.
PATIENCE = 10.0
#: Said by a bridge that stops, or that cannot check a token yet.
BUSY = 503


async def throw_junk(visit: Visit, rng: random.Random) -> None:
    """Send something wrong on a connection of its own."""
    kind = rng.choice([*BODIES, "half a request"])
    visit.stage.trace.fault(visit.name, "client junk")
    try:
        if kind == "half a request":
            await _cut_off(visit)
        else:
            await _whole(visit, kind)
    except LOST as error:
        visit.stage.trace.note(visit.name, f"junk lost: {type(error).__name__}")


async def _whole(visit: Visit, kind: str) -> None:
    headers: Headers = (*JSON, *visit.headers)
    async with visit.stage.connection() as browser:
        with trio.move_on_after(PATIENCE) as scope:
            reply = await browser.ask(
                "POST", "/mcp", headers=headers, body=BODIES[kind]
            )
            visit.stage.eavesdrop(repr(reply.body))
            visit.stage.trace.note(visit.name, f"junk ({kind}): {reply.status}")
            if reply.status >= 500 and reply.status != BUSY:
                visit.stage.trace.breach("junk", f"{kind} answered {reply.status}")
    if scope.cancelled_caught and not visit.stage.stopping:
        visit.stage.trace.breach("junk", f"{kind} got no answer")


async def _cut_off(visit: Visit) -> None:
    async with visit.stage.connection() as browser:
        await browser.stream.send_all(CUT_OFF)
