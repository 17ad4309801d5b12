"""Health for everybody, status and listings for those with a token.

Everything shown comes from `BridgeStatus`, which holds no configuration: neither
commands nor environments, headers or tokens can appear here (R53).
"""

from collections.abc import Callable

import msgspec
import trio

from bridge.contract.control import Control
from bridge.downstream.answer import json, not_found, refusal
from bridge.downstream.message import Response
from bridge.downstream.sight import seen, withheld
from bridge.observe.ages import ago, ahead, proof
from bridge.observe.status import BridgeStatus, KeysStatus, UpstreamStatus
from bridge.router.dispatch import Dispatcher
from bridge.router.policy import EVERYTHING, View

METRICS_TYPE = (("content-type", "text/plain; version=0.0.4; charset=utf-8"),)
#: Of the tools that are withheld; the list of tools names them all.
WITHHELD_SHOWN = 100


class Health:
    """The pages a probe asks. No detail: anybody may ask."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def alive(self) -> Response:
        """The process serves; says nothing of the upstreams."""
        return json({"status": "ok"})

    def ready(self) -> Response:
        """200 when new work is welcome, else 503."""
        if self._control.ready and not self._control.draining:
            return json({"ready": True})
        return json({"ready": False}, status=503)


class Management:
    """The pages an operator asks, with a token."""

    def __init__(
        self,
        *,
        control: Control,
        dispatcher: Dispatcher,
        metrics: Callable[[], bytes] | None,
    ) -> None:
        self._control = control
        self._dispatcher = dispatcher
        self._metrics = metrics

    def status(self, view: View) -> Response:
        """The live state of the bridge and of every upstream (R54), and the tree."""
        said = shown(self._status(view), now=trio.current_time())
        held = withheld(view, board=self._dispatcher.board)
        said["withheld"], said["withheldCount"] = held[:WITHHELD_SHOWN], len(held)
        if view.access.is_full:
            said["tree"] = self._control.tree()
        return json(said)

    def tree(self, view: View) -> Response:
        """The supervision tree, for who may see everything."""
        if not view.access.is_full:
            return not_found("the tree is shown to those who may see everything")
        return json(self._control.tree())

    def servers(self, view: View) -> Response:
        """Every upstream."""
        servers = self._servers(view)
        return json({"servers": servers, "count": len(servers)})

    def server(self, view: View) -> Response:
        """The one upstream of this address, or 404."""
        for server in self._servers(view):
            if server["name"] == view.server:
                return json(server)
        return no_server(view.server or "")

    def tags(self, view: View) -> Response:
        """Every tag, and which upstreams carry it."""
        carriers: dict[str, list[str]] = {}
        for upstream in self._status(view).upstreams:
            for tag in upstream.tags:
                carriers.setdefault(tag, []).append(upstream.name)
        return json({"tags": dict(sorted(carriers.items())), "count": len(carriers)})

    def tools(self, view: View) -> Response:
        """The tools of a view, as a client would be shown them; and those that are
        withheld from everybody, with the reason (R128)."""
        tools = self._dispatcher.listing(view, "tools")
        held = withheld(view, board=self._dispatcher.board)
        return json({"tools": tools, "count": len(tools), "withheld": held})

    def reconnect(self, name: str) -> Response:
        """Begins to connect anew; the status tells how it went."""
        if not self._control.reconnect(name):
            return self._not_run(name)
        return json({"server": name, "reconnecting": True}, status=202)

    def rescan(self) -> Response:
        """Begins to read all lists anew."""
        return json({"asked": self._control.rescan()}, status=202)

    def metrics(self) -> Response:
        """Counters and gauges in the text format of Prometheus."""
        if self._metrics is None:
            return not_found("metrics are not kept")
        return Response(status=200, headers=METRICS_TYPE, body=self._metrics())

    def _status(self, view: View) -> BridgeStatus:
        # Only who looks counts: the status is of the bridge, not of a route.
        everything = EVERYTHING.seen_with(view.access)
        board = self._dispatcher.board
        return seen(self._control.status(), view=everything, board=board)

    def _not_run(self, name: str) -> Response:
        """404, or 409 for a server that is known and has nothing to reconnect."""
        for each in self._control.status().upstreams:
            if each.name == name:
                said = f"{name[:100]!r} is {each.state}; it waits for {each.waits_for}"
                return refusal(409, "not_running", said)
        return no_server(name)

    def _servers(self, view: View) -> list[dict[str, object]]:
        now = trio.current_time()
        return [upstream(u, now=now) for u in self._status(view).upstreams]


def shown(status: BridgeStatus, *, now: float) -> dict[str, object]:
    """The status as people read it: times as seconds ago and seconds ahead."""
    said: dict[str, object] = msgspec.to_builtins(status)
    said["upstreams"] = [upstream(u, now=now) for u in status.upstreams]
    if status.keys is not None:
        said["keys"] = key_set(status.keys, now=now)
    return said


def key_set(status: KeysStatus, *, now: float) -> dict[str, object]:
    """The issuer's keys: ``confirmedAgo`` and ``retryIn`` in seconds."""
    said: dict[str, object] = msgspec.to_builtins(status)
    return _relative(said, past=("confirmedAt", "lastErrorAt"), now=now)


def upstream(status: UpstreamStatus, *, now: float) -> dict[str, object]:
    """One upstream: ``since`` is seconds in its state, ``retryIn`` seconds to go."""
    said: dict[str, object] = msgspec.to_builtins(status)
    said["since"] = ago(status.since, now)
    if status.proved is not None:
        said["proved"] = msgspec.to_builtins(proof(status.proved, now))
    return _relative(said, past=("lastErrorAt",), now=now)


def _relative(
    said: dict[str, object], *, past: tuple[str, ...], now: float
) -> dict[str, object]:
    """Our own times become seconds; one that is not known is left out."""
    for key in past:
        if isinstance(at := said.pop(key), float):
            said[key.removesuffix("At") + "Ago"] = ago(at, now)
    if isinstance(at := said.pop("retryAt"), float):
        said["retryIn"] = ahead(at, now)
    return said


def no_server(name: str) -> Response:
    return not_found(f"there is no server {name[:100]!r}")
