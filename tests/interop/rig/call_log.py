"""Who was promised an answer: which servers the configuration kept while a call ran.

A server is *promised* while every configuration that may be applied names it, and it
has answered since it was last added. A call to it that begins and ends within one such
time must succeed. Any other call may fail, but says clearly that it did not run.
"""

from typing import Any, cast

Json = dict[str, Any]

NOT_EXECUTED = "no"
INVALID_PARAMS = -32602  # there is no such tool


class Promises:
    """Times of promise are numbered; None: nothing is promised."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._hoped: dict[str, int] = {}
        self._next = 0

    def of(self, server: str) -> int | None:
        return self._numbers.get(server)

    def hope(self, server: str) -> int | None:
        """The configuration that names it is applied; it may still be starting."""
        return self._hoped.get(server)

    def break_off(self, server: str) -> None:
        """A configuration without it is about to be written."""
        self._numbers.pop(server, None)
        self._hoped.pop(server, None)

    def begin(self, server: str) -> None:
        """The newest configuration is applied, and it names it."""
        if server not in self._numbers and server not in self._hoped:
            self._next += 1
            self._hoped[server] = self._next

    def answered(self, server: str, hoped: int | None) -> None:
        """It answered a call that was made when ``hoped`` was hoped for."""
        if hoped is not None and self._hoped.get(server) == hoped:
            self._numbers[server] = self._hoped.pop(server)

    @property
    def awaited(self) -> frozenset[str]:
        return frozenset(self._hoped)


def text_of(answer: Json) -> str | None:
    """What a call gave; None: it failed."""
    result = cast("Json", answer.get("result", {}))
    if "error" in answer or result.get("isError"):
        return None
    return str(result["content"][0]["text"])


def is_clear(answer: Json) -> bool:
    """A failed call that certainly did not run, and says so."""
    if "error" in answer:
        error = cast("Json", answer["error"])
        executed = error.get("data", {}).get("executed")
        return executed == NOT_EXECUTED or error["code"] == INVALID_PARAMS
    meta = answer["result"].get("_meta", {})
    return meta.get("mcp-trio-bridge/error", {}).get("executed") == NOT_EXECUTED
