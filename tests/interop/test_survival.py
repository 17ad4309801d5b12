"""What survives what: each row of ``docs/survival.md``, seen on a real bridge.

A bridge with a stdio server, and a server behind a login; a client with a session, a
call in flight and the list of tools. Then something goes wrong.
"""

import resource
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from interop.rig.caller import Gone, SseCaller, callers
from interop.rig.event_stream import request
from interop.rig.life import Life
from interop.rig.places import INTEROP
from interop.rig.protected import credential_files
from interop.rig.steady import kill_children_with, steady_entry
from interop.rig.vault import Vault, running_vault
from kit.survival import MATRIX

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

Json = dict[str, Any]
LASTS = 1.5  # a call in flight
DAY = 86_400
ERROR = "mcp-trio-bridge/error"


class World:
    """A bridge at work."""

    def __init__(self, life: Life, vault: Vault) -> None:
        self.life = life
        self.vault = vault
        self.seen: dict[str, str] = {}

    @property
    def refresh_tokens(self) -> list[str]:
        stored = credential_files(self.life.home).values()
        return [each["refresh_token"] for each in stored]

    def confirm(self, row: str) -> None:
        """What was seen is what the page says."""
        assert self.seen == {column: cell.word for column, cell in MATRIX[row].items()}


class Guest:
    """The client: one session on ``/sse``, one call in flight."""

    def __init__(self, caller: SseCaller, server: str) -> None:
        self.caller = caller
        self.tools: list[str] = []
        self.outcome = ""
        self._server = server
        self._numbers = iter(range(10, 10_000))

    async def settle(self, nursery: trio.Nursery) -> None:
        """List the tools and begin the call."""
        self.tools = await self.list()
        nursery.start_soon(self._call)
        await trio.sleep(0.4)

    async def list(self) -> list[str]:
        asked = request(next(self._numbers), "tools/list")
        answer = await self.caller.ask(asked)
        return sorted(tool["name"] for tool in answer["result"]["tools"])

    async def works(self, tool: str) -> bool:
        """Whether a call on this very session has its result."""
        try:
            answer = await self.caller.call(
                next(self._numbers), tool, {"text": "hello"}
            )
        except (Gone, AssertionError):  # the stream or the session is no more
            return False
        return "result" in answer and not answer["result"].get("isError")

    async def _call(self) -> None:
        asked = {"seconds": LASTS, "marker": "in flight"}
        try:
            answer = await self.caller.call(1, f"{self._server}__sleep", asked)
        except Gone:
            self.outcome = "cut off"
            return
        result = cast("Json", answer["result"])
        if result.get("isError"):
            said = result["_meta"][ERROR]
            self.outcome = f"failed, executed {said['executed']}"
        else:
            assert result["content"][0]["text"] == "ran in flight"
            self.outcome = "answered"

    async def answered(self, within: float = 40) -> str:
        """What became of the call."""
        with trio.fail_after(within):
            while not self.outcome:  # noqa: ASYNC110 - told by another task
                await trio.sleep(0.02)
        return self.outcome


@asynccontextmanager
async def at_work(folder: Path, *, lifetime: float = 3600) -> AsyncGenerator[World]:
    with running_vault(lifetime) as (vault, entry):
        servers = {
            "lines": steady_entry(folder / "ledger", healthCheck={"restartDelay": 300}),
            "vault": {**entry, "timeout": 3},
        }
        life = Life(servers, folder, drainTimeout=15)
        life.browser = f"{sys.executable} -S -E {INTEROP / 'rig' / 'visit.py'}"
        world = World(life, vault)
        try:
            life.start()
            await life.ready()
            await life.until(lambda: vault.logins == 1 and world.refresh_tokens)
            await life.until(lambda: _is_connected(life))
            yield world
            life.send(signal.SIGTERM)
            await life.ended(20)
            assert life.status == 0
        except BaseException as error:
            error.add_note(life.output()[-6000:])
            raise
        finally:
            life.end()


def _is_connected(life: Life) -> bool:
    changes = life.events_now("upstream.state_changed")
    return any((e["upstream"], e["to"]) == ("vault", "connected") for e in changes)


@asynccontextmanager
async def a_guest(world: World, server: str = "lines") -> AsyncGenerator[Guest]:
    async with (
        callers(world.life.port, sse=1, mcp=0) as [caller],
        trio.open_nursery() as nursery,
    ):
        assert isinstance(caller, SseCaller)
        guest = Guest(caller, server)
        await guest.settle(nursery)
        assert "lines__echo" in guest.tools
        assert "vault__echo" in guest.tools
        yield guest
        nursery.cancel_scope.cancel()


async def eventually(seen: Callable[[], Awaitable[bool]], within: float = 30) -> None:
    with trio.fail_after(within):
        while not await seen():  # noqa: ASYNC110 - another process
            await trio.sleep(0.05)


async def look_at(guest: Guest, world: World, *, list_after: str) -> None:
    """Three columns, once it is over; the tool list is the caller's own matter."""
    world.seen["client session"] = (
        "kept" if await guest.works("lines__echo") else "ended"
    )
    world.seen["call in flight"] = await guest.answered()
    await eventually(lambda: guest.works("vault__echo"))
    world.seen["token"] = "kept" if world.vault.logins == 1 else "lost"
    assert len(world.refresh_tokens) == 1
    world.seen["tool list"] = list_after


def told(guest: Guest) -> int:
    """How often the client heard that the list has changed."""
    return guest.caller.notified.count("notifications/tools/list_changed")


async def has_heard(guest: Guest, *, more_than: int) -> bool:
    return told(guest) > more_than


async def test_the_bridge_is_killed(tmp_path: Path) -> None:
    async with at_work(tmp_path / "bridge") as world:
        async with a_guest(world) as guest:
            world.life.kill()
            world.seen["call in flight"] = await guest.answered()
            kept = await guest.works("lines__echo")
            world.seen["client session"] = "kept" if kept else "ended"
            before = guest.tools
        world.life.start()
        await world.life.ready(2)
        async with a_guest(world) as again:
            assert await again.works("vault__echo")
            world.seen["tool list"] = "the same" if again.tools == before else "other"
        world.seen["token"] = "kept" if world.vault.logins == 1 else "lost"
        world.confirm("bridge killed")


async def test_an_upstream_is_killed(tmp_path: Path) -> None:
    async with at_work(tmp_path / "bridge") as world, a_guest(world) as guest:
        listed = told(guest)
        assert kill_children_with(world.life.pid, str(tmp_path / "bridge" / "ledger"))
        outcome = await guest.answered()
        assert await guest.works("vault__echo")  # nobody else notices
        during = await guest.list()
        await eventually(lambda: guest.works("lines__echo"))
        assert outcome == guest.outcome
        same = during == guest.tools == await guest.list()
        after = "the same" if same and told(guest) == listed else "follows"
        await look_at(guest, world, list_after=after)
        assert all("vault__echo" in names for names in (during, await guest.list()))
        world.confirm("upstream killed")


async def test_the_provider_is_down(tmp_path: Path) -> None:
    async with at_work(tmp_path / "bridge", lifetime=8) as world:
        world.vault.provider_is_up = False
        async with a_guest(world, "vault") as guest:
            assert await guest.answered() == "answered"
            await world.life.until(lambda: world.life.events("oauth.refresh_failed"))
            during = await guest.list()
            world.vault.provider_is_up = True
            await world.life.until(lambda: world.vault.refreshes)
            after = "the same" if during == guest.tools else "follows"
            await look_at(guest, world, list_after=after)
        world.confirm("provider down")


async def test_the_disk_is_full(tmp_path: Path) -> None:
    async with at_work(tmp_path / "bridge", lifetime=8) as world:
        [stored] = world.refresh_tokens
        async with a_guest(world) as guest:
            # No file grows any more, that of the log neither.
            resource.prlimit(world.life.pid, resource.RLIMIT_FSIZE, (0, -1))
            with trio.fail_after(20):
                while not world.vault.refreshes:  # noqa: ASYNC110 - another thread
                    await trio.sleep(0.05)
            await eventually(lambda: guest.works("vault__echo"))
            assert world.refresh_tokens == [stored]  # the old file is whole
            resource.prlimit(world.life.pid, resource.RLIMIT_FSIZE, (-1, -1))
            await world.life.until(lambda: world.refresh_tokens != [stored])
            after = "the same" if await guest.list() == guest.tools else "follows"
            await look_at(guest, world, list_after=after)
        world.confirm("disk full")


@pytest.mark.parametrize("days", [1, -1])
async def test_the_clock_jumps(tmp_path: Path, days: int) -> None:
    async with at_work(tmp_path / "bridge") as world:
        async with a_guest(world) as guest:
            world.life.clock.write_text(str(days * DAY), encoding="ascii")
            await trio.sleep(1)
            after = "the same" if await guest.list() == guest.tools else "follows"
            await look_at(guest, world, list_after=after)
        assert world.vault.refreshes <= 1
        world.confirm("clock jump")


async def test_the_network_is_split(tmp_path: Path) -> None:
    async with at_work(tmp_path / "bridge") as world:
        async with a_guest(world, "vault") as guest:
            world.vault.flowing.clear()  # in the middle of the call
            assert await guest.works("lines__echo")
            outcome = await guest.answered()
            during = await guest.list()
            world.vault.flowing.set()
            await eventually(lambda: guest.works("vault__echo"))
            assert len(guest.caller.answers[1]) == 1  # the late answer is dropped
            assert outcome == guest.outcome
            after = "the same" if during == guest.tools else "follows"
            await look_at(guest, world, list_after=after)
        world.confirm("network split")


async def test_the_configuration_is_reloaded(tmp_path: Path) -> None:
    async with at_work(tmp_path / "bridge") as world:
        async with a_guest(world) as guest:
            heard = told(guest)
            servers = world.life.config["mcpServers"]
            servers["more"] = steady_entry(tmp_path / "bridge" / "more.ledger")
            del servers["lines"]
            world.life.write()
            world.life.send(signal.SIGHUP)
            await eventually(lambda: guest.works("more__echo"))
            assert not await guest.works("lines__echo")
            await eventually(lambda: has_heard(guest, more_than=heard))
            follows = "lines__echo" not in await guest.list()
            world.seen["tool list"] = "follows" if follows else "the same"
            world.seen["call in flight"] = await guest.answered()
            world.seen["client session"] = (
                "kept" if await guest.works("vault__echo") else "ended"
            )
        world.seen["token"] = "kept" if world.vault.logins == 1 else "lost"
        world.confirm("reload")
