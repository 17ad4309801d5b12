"""A scripted MCP server in a simulated child process."""

from typing import Any

import msgspec
import trio

from kit.processes import Child
from sim import mind as lines
from sim.mind import Mind

#: The longest a server waits for the answer to its own question.
PATIENCE = 1.0


class StdioServer:
    """Every life of one server; `main` is what the process runs."""

    def __init__(self, mind: Mind) -> None:
        self._mind = mind

    async def main(self, child: Child) -> int:
        """One life; its exit status."""
        fate = self._mind.fate()
        if fate == "dies at once":
            await child.stderr.send_all(b"cannot start\n")
            return 3
        life = _Life(self._mind, child, fate=fate)
        return await life.live()


class _Life:
    def __init__(self, mind: Mind, child: Child, *, fate: str) -> None:
        self._mind = mind
        self._child = child
        self._fate = fate
        self._hanging = False
        self._scope = trio.CancelScope()
        self._status = 0
        self._mouth = trio.Lock()
        self._questions: dict[str, trio.Event] = {}
        child.deaf = fate == "is deaf"

    async def live(self) -> int:
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._follow_fate)
                await self._hear(nursery)
                nursery.cancel_scope.cancel()
            if self._fate == "is deaf":
                await trio.sleep_forever()
        return self._status

    async def _follow_fate(self) -> None:
        match self._fate:
            case "crashes later":
                await trio.sleep(self._mind.rng.uniform(0.2, 8.0))
                if self._mind.flaky:
                    self._crash()
            case "babbles":
                await self._babble()
            case _:
                return

    async def _babble(self) -> None:
        for _ in range(5):
            await trio.sleep(self._mind.rng.uniform(0.1, 1.0))
            await self._say(lines.JUNK)

    async def _hear(self, nursery: trio.Nursery) -> None:
        held = b""
        while data := await self._child.hear():
            *whole, held = (held + data).split(b"\n")
            for line in whole:
                nursery.start_soon(self._take, msgspec.json.decode(line))

    async def _take(self, message: dict[str, Any]) -> None:
        method, id_ = message.get("method"), message.get("id")
        if self._hanging or (
            method == "initialize" and self._fate == "never initializes"
        ):
            return
        if method is None:
            self._questions.pop(str(id_), trio.Event()).set()
        elif method == "tools/call":
            await self._call(id_, message["params"])
        elif id_ is not None:
            result = self._mind.told(method)
            known = result is not None
            await self._say(
                lines.result_line(id_, result)
                if known
                else lines.error_line(id_, -32601)
            )

    async def _call(self, id_: object, params: dict[str, Any]) -> None:
        deed = self._mind.deed()
        await trio.sleep(self._mind.latency(params))
        if deed == "crash before":
            self._crash()
            return
        if deed == "hang":
            self._hanging = True
            return
        result = self._mind.run(params)
        await self._perform(deed, id_, params, answer=lines.result_line(id_, result))

    async def _perform(
        self, deed: str, id_: object, params: dict[str, Any], *, answer: bytes
    ) -> None:
        match deed:
            case "crash after":
                self._crash()
            case "never":
                return
            case "error":
                await self._say(lines.error_line(id_, -32000))
            case "half":
                async with self._mouth:
                    await self._child.stdout.send_all(answer[: len(answer) // 2])
                self._crash()
            case "twice":
                await self._say(answer, answer)
            case _:
                await self._before(deed, params)
                await self._say(answer)

    async def _before(  # noqa: C901 - one line per deed
        self, deed: str, params: dict[str, Any]
    ) -> None:
        match deed:
            case "late":
                await trio.sleep(lines.LATE)
            case "unknown id":
                await self._say(lines.result_line(987_654, b"{}"))
                await self._say(lines.result_line("nobody", b"{}"))
            case "junk":
                await self._say(lines.JUNK)
            case "stale id":
                await self._say(lines.result_line(1, b"{}"))
            case "flood":
                flood = [lines.log_line(f"flood {n}") for n in range(lines.FLOOD)]
                await self._say(*flood, *[lines.TOOLS_CHANGED] * lines.FLOOD)
            case "long progress":
                await self._progress(lines.token_of(params), lines.LONG)
            case "change tools":
                self._mind.change_tools()
                await self._say(lines.TOOLS_CHANGED)
            case "progress":
                await self._progress(lines.token_of(params))
            case "ask back":
                await self._ask_back(params["arguments"]["marker"])
            case _:
                return

    async def _progress(self, token: object | None, steps: int = 3) -> None:
        if token is None:
            return
        for step in range(1, steps + 1):
            await self._say(lines.progress_line(token, step))
            await trio.sleep(0.2 if steps < lines.LONG else 0.4)

    async def _ask_back(self, marker: str) -> None:
        key = f"q-{marker}"
        answered = self._questions[key] = trio.Event()
        await self._say(lines.question_line(key, marker))
        with trio.move_on_after(PATIENCE):
            await answered.wait()
        if self._questions.pop(key, None) is not None:
            await self._say(lines.withdrawal_line(key))

    async def _say(self, *said: bytes) -> None:
        async with self._mouth:
            if not self._hanging:
                await self._child.say(*said)

    def _crash(self) -> None:
        self._status = 139
        self._child.deaf = False
        self._fate = "crashed"
        self._scope.cancel()
