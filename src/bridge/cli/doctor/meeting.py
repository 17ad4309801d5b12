"""Connects to a server as the bridge does, once, and looks how far it comes.

The whole actor of an upstream runs: what is tried here is what will happen there.
"""

import random  # noqa: TID251 - only the type; the generator is handed in
from collections.abc import Iterator, Mapping
from itertools import count

import msgspec
import trio
from msgspec.structs import replace

from bridge import __version__
from bridge.actor.mailbox import Mailbox
from bridge.cli.doctor.finding import Finding, failed, ok, skipped
from bridge.config.model import FailoverConfig, HealthCheckConfig, UpstreamConfig
from bridge.contract.router import RouterMessage
from bridge.contract.upstream import UpstreamMessage, UpstreamState
from bridge.observe.logging import Log
from bridge.observe.status import UpstreamStatus
from bridge.upstream.actor import UpstreamActor
from bridge.upstream.state import Phase
from bridge.wire.link import NoBearer, Transport

OPENS = "connection"
HANDSHAKE = "initialize"
TOOLS = "tools"

#: A server may have to be downloaded before it speaks; each phase has a bound itself.
PATIENCE = 90.0
#: Links close within this: stdin, terminate after 3 s, kill after 3 more.
CLOSED_WITHIN = 8.0

_OVER = frozenset(
    {
        UpstreamState.CONNECTED.value,
        UpstreamState.AUTH_REQUIRED.value,
        UpstreamState.BACKOFF.value,
        UpstreamState.FAILED.value,
        UpstreamState.DISCONNECTED.value,
    }
)
_WAY = (Phase.CONNECTING, Phase.HANDSHAKING, Phase.DISCOVERING, Phase.READY)


class HeldBearer(NoBearer):
    """One token as it is: never renewed."""

    generation = 1

    def __init__(self, access_token: str) -> None:
        self._headers = {"authorization": f"Bearer {access_token}"}

    def headers(self) -> Mapping[str, str]:
        return self._headers


class Meeting(msgspec.Struct, frozen=True):
    """How a connection went: the phases it came through, and the last snapshot."""

    phases: tuple[str, ...]
    last: UpstreamStatus | None

    @property
    def reached(self) -> int:
        """Index in the way from connecting to ready."""
        return max((n for n, p in enumerate(_WAY) if p.value in self.phases), default=0)


async def meet(
    config: UpstreamConfig, transport: Transport, *, rng: random.Random, log: Log
) -> Meeting:
    """Connect, agree, list, and leave; bounded."""
    once = replace(config, health_check=HealthCheckConfig(enabled=False))
    phases: list[str] = []
    snapshots: list[UpstreamStatus] = []
    settled = trio.Event()

    def publish(status: UpstreamStatus) -> None:
        if settled.is_set():
            return
        phases.append(status.phase)
        snapshots.append(status)
        if status.state in _OVER and status.phase != Phase.IDLE.value:
            settled.set()

    epochs: Iterator[int] = count(1)
    actor = UpstreamActor(
        config=once,
        failover=FailoverConfig(),
        transport=transport,
        mailbox=Mailbox[UpstreamMessage](bound=8),
        to_router=Mailbox[RouterMessage](bound=64),
        publish=publish,
        epochs=epochs,
        rng=rng,
        log=log,
        version=__version__,
    )
    stopping = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(actor.run, stopping)
        with trio.move_on_after(PATIENCE):
            await settled.wait()
        settled.set()
        stopping.set()
        nursery.cancel_scope.deadline = trio.current_time() + CLOSED_WITHIN
    return Meeting(tuple(phases), snapshots[-1] if snapshots else None)


def findings(met: Meeting, *, advice: str) -> Iterator[Finding]:
    """The steps from the open connection to the list of tools. Pure."""
    last = met.last
    reached = met.reached
    why = "" if last is None else last.last_error or last.reason
    said = why or f"no answer within {PATIENCE:g} s"
    label = "" if last is None else f"{last.server} speaks {last.revision}".strip()
    done = {
        OPENS: "open",
        HANDSHAKE: label if reached > _WAY.index(Phase.DISCOVERING) else "agreed",
        TOOLS: "" if last is None else f"{last.tools} listed",
    }
    for index, step in enumerate(done, start=1):
        if index <= reached:
            yield ok(step, done[step])
        elif index == reached + 1:
            yield failed(step, said, advice=advice)
        else:
            yield skipped(step, "not reached")
