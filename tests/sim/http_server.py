"""A scripted MCP server behind streamable HTTP."""

from itertools import count
from typing import Any

import trio

from kit.network import Address, SimulatedNetwork, SimulatedStream
from kit.scripted_http import Exchange, ScriptedServer
from sim import mind as lines
from sim.mind import Mind

_ADDRESS: Address = ("web.test", 80)
PATIENCE = 1.0


class HttpServer:
    """One endpoint; sessions are kept over its outages."""

    address = _ADDRESS
    url = f"http://{_ADDRESS[0]}/mcp"

    def __init__(self, mind: Mind) -> None:
        self._mind = mind
        self._server = ScriptedServer(self._take)
        self._sessions: set[str] = set()
        self._numbers = count(1)
        self._listening: dict[Exchange, None] = {}  # in order, unlike a set
        self._questions: dict[str, trio.Event] = {}

    async def serve(self, network: SimulatedNetwork, nursery: trio.Nursery) -> None:
        await network.serve(nursery, self.address, handler=self._handle)

    async def _handle(self, stream: SimulatedStream) -> None:
        await self._server.handle(stream)
        await trio.aclose_forcefully(stream)

    async def _take(self, exchange: Exchange) -> None:
        asked = exchange.asked
        if "authorization" in asked.headers:  # nobody configured one: a client's (R47)
            self._mind.trace.breach("passthrough", "a client's token came upstream")
        session = asked.headers.get("mcp-session-id", "")
        if session and session not in self._sessions:
            await exchange.answer(404)
        elif asked.method == "GET":
            await self._listen(exchange)
        elif asked.method == "DELETE":
            self._sessions.discard(session)
            await exchange.answer(200)
        else:
            await self._message(exchange, dict[str, Any](asked.message))

    async def _listen(self, exchange: Exchange) -> None:
        await exchange.open_events()
        self._listening[exchange] = None
        try:
            await exchange.stream.receive_some()  # until the client leaves
        finally:
            self._listening.pop(exchange, None)

    async def _message(self, exchange: Exchange, message: dict[str, Any]) -> None:
        method, id_ = message.get("method"), message.get("id")
        if method is None:
            self._questions.pop(str(id_), trio.Event()).set()
            await exchange.answer(202)
        elif id_ is None:
            await exchange.answer(202)
        elif method == "tools/call":
            await self._call(exchange, id_, message["params"])
        else:
            await self._request(exchange, id_, method)

    async def _request(self, exchange: Exchange, id_: object, method: str) -> None:
        headers: dict[str, str] = {}
        if method == "initialize":
            headers["Mcp-Session-Id"] = f"web-{next(self._numbers)}"
            self._sessions.add(headers["Mcp-Session-Id"])
        result = self._mind.told(method)
        known = result is not None
        await exchange.json(
            lines.result_line(id_, result) if known else lines.error_line(id_, -32601),
            headers,
        )

    async def _call(
        self, exchange: Exchange, id_: object, params: dict[str, Any]
    ) -> None:
        deed = self._mind.deed()
        await trio.sleep(self._mind.latency(params))
        match deed:
            case "status 503" | "status 429":
                wait = self._mind.rng.choice(lines.COME_BACK)
                status = int(deed.rpartition(" ")[2])
                await exchange.answer(status, headers={"Retry-After": wait})
            case "redirect":
                elsewhere = {"Location": "http://elsewhere.test/mcp"}
                await exchange.answer(307, headers=elsewhere)
            case "forget session":
                self._sessions.clear()
                await exchange.answer(404)
            case _:
                result = self._mind.run(params)
                answer = lines.result_line(id_, result)
                await self._perform(deed, exchange, params, answer=answer)

    async def _perform(  # noqa: C901 - one line per deed
        self, deed: str, exchange: Exchange, params: dict[str, Any], *, answer: bytes
    ) -> None:
        id_ = exchange.asked.message["id"]
        match deed:
            case "status 500":
                await exchange.answer(500)
            case "html":
                page = {"Content-Type": "text/html"}
                await exchange.answer(200, b"<html>Sorry</html>", page)
            case "reset":
                exchange.stream.reset()
            case "never":
                await exchange.stream.receive_some()
            case "error":
                await exchange.json(lines.error_line(id_, -32000))
            case "half":
                await exchange.open_events()
                await exchange.raw(b"400\r\ndata: " + answer[:20])
                exchange.stream.reset()
            case "late":
                await trio.sleep(lines.LATE)
                await exchange.json(answer)
            case "answer" if self._mind.rng.random() < 0.5:
                await exchange.json(answer)
            case _:
                await exchange.open_events()
                await self._before(deed, exchange, params)
                await exchange.chunk(_event(answer))
                if deed == "twice":
                    await exchange.chunk(_event(answer))
                await exchange.chunk(b"")

    async def _before(  # noqa: C901 - one line per deed
        self, deed: str, exchange: Exchange, params: dict[str, Any]
    ) -> None:
        match deed:
            case "unknown id":
                await exchange.chunk(_event(lines.result_line(987_654, b"{}")))
            case "junk":
                await exchange.chunk(_event(lines.JUNK))
            case "stale id":
                await exchange.chunk(_event(lines.result_line(1, b"{}")))
            case "flood":
                for number in range(lines.FLOOD):
                    await exchange.chunk(_event(lines.log_line(f"flood {number}")))
            case "long progress":
                await self._progress(exchange, lines.token_of(params), lines.LONG)
            case "change tools":
                await self._change_tools()
            case "progress":
                await self._progress(exchange, lines.token_of(params))
            case "ask back":
                await self._ask_back(exchange, params["arguments"]["marker"])
            case _:
                return

    async def _change_tools(self) -> None:
        self._mind.change_tools()
        for exchange in tuple(self._listening):
            try:
                await exchange.chunk(_event(lines.TOOLS_CHANGED))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                continue  # that listener has left

    async def _progress(
        self, exchange: Exchange, token: object | None, steps: int = 3
    ) -> None:
        if token is None:
            return
        for step in range(1, steps + 1):
            await exchange.chunk(_event(lines.progress_line(token, step)))
            await trio.sleep(0.2 if steps < lines.LONG else 0.4)

    async def _ask_back(self, exchange: Exchange, marker: str) -> None:
        key = f"q-{marker}"
        answered = self._questions[key] = trio.Event()
        await exchange.chunk(_event(lines.question_line(key, marker)))
        with trio.move_on_after(PATIENCE):
            await answered.wait()
        if self._questions.pop(key, None) is not None:
            await exchange.chunk(_event(lines.withdrawal_line(key)))


def _event(line: bytes) -> bytes:
    return b"data: " + line + b"\n\n"
