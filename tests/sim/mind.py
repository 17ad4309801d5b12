"""What a scripted MCP server is up to: its tools, its mood, its deeds."""

import random
from typing import Any

from bridge.protocol.frame import raw
from sim.chance import Lot
from sim.ledger import Ledger
from sim.trace import Trace

#: What a server does with one call. All but the first few are faults.
DEEDS: Lot[str] = Lot(
    [
        ("answer", 50),
        ("progress", 6),
        ("ask back", 6),
        ("late", 6),
        ("never", 4),
        ("twice", 6),
        ("unknown id", 6),
        ("junk", 6),
        ("error", 4),
        ("crash before", 2),
        ("crash after", 2),
        ("half", 2),
        ("change tools", 4),
        ("stale id", 3),
        ("flood", 2),
        ("long progress", 3),
        ("hang", 3),
    ]
)
#: What only a server behind HTTP can do.
HTTP_DEEDS: Lot[str] = Lot(
    [
        ("answer", 50),
        ("progress", 6),
        ("ask back", 6),
        ("late", 6),
        ("never", 4),
        ("twice", 6),
        ("unknown id", 6),
        ("junk", 6),
        ("error", 4),
        ("status 503", 4),
        ("status 500", 4),
        ("forget session", 3),
        ("reset", 4),
        ("half", 4),
        ("change tools", 4),
        ("stale id", 3),
        ("flood", 2),
        ("long progress", 3),
        ("status 429", 3),
        ("redirect", 3),
        ("html", 3),
    ]
)
#: What a server behind a login does, which answers in one piece.
GUARDED_DEEDS: Lot[str] = Lot(
    [("answer", 50), ("late", 4), ("never", 3), ("error", 4), ("forget session", 3)]
)
#: What servers say of when to come back: some of it makes sense.
COME_BACK = ("1", "0", "2", "86400000", "-5", "soon", "Wed, 21 Oct 2015 07:28:00 GMT")
#: Messages of a flood, and steps of a progress that outlasts the call's own deadline.
FLOOD = 80
LONG = 24
#: How a process begins.
FATES: Lot[str] = Lot(
    [
        ("lives", 70),
        ("dies at once", 6),
        ("never initializes", 6),
        ("crashes later", 12),
        ("babbles", 5),
        ("is deaf", 4),
    ]
)
HARMLESS = frozenset({"answer", "progress", "ask back", "lives"})
#: A late answer comes after the call's deadline.
LATE = 9.0
PADDING = 3000


class Mind:
    """One server over all its lives. ``flaky``: it may do more than answer."""

    def __init__(
        self,
        name: str,
        *,
        rng: random.Random,
        deeds: Lot[str],
        ledger: Ledger,
        trace: Trace,
    ) -> None:
        self.name = name
        self.flaky = False
        self.rng = rng
        self.trace = trace
        self._deeds = deeds
        self._ledger = ledger
        self._extra = 0

    def fate(self) -> str:
        """How the life that begins now goes."""
        fate = FATES.draw(self.rng)
        return self._chosen(fate, "lives")

    def deed(self) -> str:
        """What to do with the call that came in."""
        deed = self._deeds.draw(self.rng)
        return self._chosen(deed, "answer")

    def fault(self, kind: str) -> None:
        self.trace.fault(self.name, kind)

    def _chosen(self, wish: str, tame: str) -> str:
        if wish in HARMLESS:
            return wish
        if not self.flaky:
            return tame
        self.fault(wish)
        return wish

    def change_tools(self) -> None:
        self._extra += 1

    def run(self, params: dict[str, Any]) -> bytes:
        """Execute a call; its result."""
        marker = params["arguments"]["marker"]
        self._ledger.ran(marker, self.name)
        result: dict[str, Any] = {
            "content": [{"type": "text", "text": "done"}],
            "structuredContent": {"marker": marker},
        }
        if params["name"] == "big":
            result["content"].append({"type": "text", "text": "x" * PADDING})
        return bytes(raw(result))

    def latency(self, params: dict[str, Any]) -> float:
        """How long the work takes."""
        if params["name"] == "slow":
            return self.rng.uniform(0.2, 0.8)
        return self.rng.uniform(0, 0.05)

    def told(self, method: str) -> bytes | None:
        """The result of anything but a call; None: unknown."""
        match method:
            case "initialize":
                return bytes(raw(self._introduction()))
            case "tools/list":
                return bytes(raw({"tools": self._tools()}))
            case "ping":
                return b"{}"
            case _:
                return None

    def _introduction(self) -> dict[str, Any]:
        return {
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {"listChanged": True}},
            "serverInfo": {"name": self.name, "version": "1"},
        }

    def _tools(self) -> list[dict[str, Any]]:
        names = ["echo", "slow", "big"]
        if self._extra:
            names.append(f"extra{self._extra}")
        schema = {"type": "object"}
        return [{"name": name, "inputSchema": schema} for name in names]


def result_line(id_: object, result: bytes) -> bytes:
    """A response with this result."""
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (bytes(raw(id_)), result)


def error_line(id_: object, code: int) -> bytes:
    """A response with an error of the server's own."""
    return bytes(
        raw({"jsonrpc": "2.0", "id": id_, "error": {"code": code, "message": "no"}})
    )


def log_line(text: str) -> bytes:
    """A log message nobody asked for."""
    params = {"level": "info", "data": text}
    method = "notifications/message"
    return bytes(raw({"jsonrpc": "2.0", "method": method, "params": params}))


def progress_line(token: object, step: int) -> bytes:
    params = {"progressToken": token, "progress": step, "total": 3}
    method = "notifications/progress"
    return bytes(raw({"jsonrpc": "2.0", "method": method, "params": params}))


def question_line(id_: str, marker: str) -> bytes:
    """A question to the client whose call is being worked on."""
    params = {
        "messages": [{"role": "user", "content": {"type": "text", "text": marker}}],
        "maxTokens": 10,
    }
    return bytes(
        raw(
            {
                "jsonrpc": "2.0",
                "id": id_,
                "method": "sampling/createMessage",
                "params": params,
            }
        )
    )


def withdrawal_line(id_: str) -> bytes:
    """The server does not wait for the answer to its question any more."""
    params = {"requestId": id_, "reason": "waited long enough"}
    method = "notifications/cancelled"
    return bytes(raw({"jsonrpc": "2.0", "method": method, "params": params}))


TOOLS_CHANGED = b'{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}'
JUNK = b"Traceback (most recent call last): {not json"


def token_of(params: dict[str, Any]) -> object | None:
    """The progress token of a call; None when no progress is wanted."""
    return params.get("_meta", {}).get("progressToken")
