"""Definitions that are held back, on the control socket and nowhere else.

/pins                    every pinned server, and what waits for approval
/pins/{server}           one of them, with the texts of what was and of what is
/pins/{server}/approve   POST ``{"definitions": [{"kind", "key", "hash"}]}``

An approval names the hash of the text a person was shown: what has become something
else since then stays held back.
"""

import msgspec
from msgspec.structs import replace

from bridge.config import named
from bridge.contract.pins import Approval, PinControl
from bridge.downstream.answer import json, method_not_allowed, refusal
from bridge.downstream.message import Request, Response
from bridge.observe.status import PinStatus

_READ = ("GET",)
_TELL = ("POST",)
_SHOWN = 100


class _Wish(msgspec.Struct, frozen=True):
    definitions: tuple[Approval, ...]


class PinPages:
    """Answers what is below ``/pins``."""

    def __init__(self, control: PinControl) -> None:
        self._control = control

    async def handle(self, request: Request) -> Response | None:
        """The page; None for a path that is none of these."""
        match request.path.split("/"):
            case ["", "pins"]:
                return _refused(request, _READ) or self._all()
            case ["", "pins", server] if server:
                return _refused(request, _READ) or self._one(server)
            case ["", "pins", server, "approve"]:
                return _refused(request, _TELL) or await self._approve(request, server)
            case _:
                return None

    def _all(self) -> Response:
        servers = [_brief(each) for each in self._control.pins()]
        return json({"servers": servers, "count": len(servers)})

    def _one(self, server: str) -> Response:
        statuses = {status.name: status for status in self._control.pins()}
        found = named(server, statuses)
        return self._unknown(server) if found is None else json(statuses[found])

    async def _approve(self, request: Request, server: str) -> Response:
        try:
            wish = msgspec.json.decode(await request.body(), type=_Wish)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return refusal(400, "bad_request", _WANTED)
        found = await self._control.approve(server, wish.definitions)
        return self._unknown(server) if found is None else json(found)

    def _unknown(self, server: str) -> Response:
        names = ", ".join(status.name for status in self._control.pins())
        others = f"pinned servers are: {names}" if names else "no server is pinned"
        return refusal(
            404, "not_found", f"the server {server[:_SHOWN]!r} is not pinned; {others}"
        )


_WANTED = 'the body is {"definitions": [{"kind": ..., "key": ..., "hash": ...}]}'


def _brief(status: PinStatus) -> PinStatus:
    """Without texts: there may be thousands."""
    held = (replace(each, text="", approved_text="") for each in status.held)
    return replace(status, held=tuple(held))


def _refused(request: Request, methods: tuple[str, ...]) -> Response | None:
    return None if request.method in methods else method_not_allowed(methods)
