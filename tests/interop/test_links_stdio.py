# ruff: noqa: ASYNC240 - one-line files on tmpfs and in /proc
import os
import signal
import sys
from pathlib import Path

import pytest
import trio

from bridge.errors import ConnectFailed, LinkLost
from bridge.system import TrioProcesses
from bridge.wire.environment import child_environment
from bridge.wire.stdio import Command, StdioTransport
from interop.rig.link_server import SCRIPT
from kit.links import answer_to, ask, initialize, lost, result_of
from kit.recorded import RecordedLog

pytestmark = pytest.mark.interop


def transport(*command: str, cwd: str | None = None) -> StdioTransport:
    inherited = {"PATH": os.environ["PATH"], "OAUTH_ISSUER": "never"}
    env = child_environment(inherited, {"API": "1"}, name="sdk", log_level="ERROR")
    return StdioTransport(
        Command(command=command[0], args=command[1:], env=env, cwd=cwd),
        name="sdk",
        processes=TrioProcesses(),
        log=RecordedLog(),
        frame_bytes=2**20,
    )


def shell(script: str) -> StdioTransport:
    return transport("/bin/sh", "-c", script)


def sdk() -> StdioTransport:
    return transport(sys.executable, str(SCRIPT), "stdio")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()


async def written(file: Path) -> list[int]:
    """The process ids in ``file``, as soon as there are some."""
    with trio.fail_after(10):
        while not file.exists() or not file.read_text().strip():  # noqa: ASYNC110 - a file
            await trio.sleep(0.02)
    return [int(pid) for pid in file.read_text().split()]


async def has_gone(pid: int) -> None:
    with trio.fail_after(10):
        while is_alive(pid):  # noqa: ASYNC110 - another process
            await trio.sleep(0.02)


async def call(name: str, arguments: dict[str, object]) -> object:
    async with sdk().open() as link:
        await initialize(link)
        params = {"name": name, "arguments": arguments}
        ask(link, "tools/call", params, upstream_id=2)
        return result_of(await answer_to(link, 2))["structuredContent"]["result"]


@pytest.mark.requirement("R60")
async def test_the_sdks_server_is_spoken_to() -> None:
    async with sdk().open() as link:
        assert (await initialize(link))["serverInfo"]["name"] == "links"
        ask(link, "tools/list", upstream_id=2)
        names = [t["name"] for t in result_of(await answer_to(link, 2))["tools"]]
        assert "add" in names


async def test_large_messages_pass_both_ways() -> None:
    text = "x" * 300_000
    assert await call("echo", {"text": text}) == text


@pytest.mark.requirement("R62", "C8")
async def test_the_child_sees_what_it_may() -> None:
    names = await call("environment", {})
    assert isinstance(names, list)
    assert {"PATH", "API", "MCP_BRIDGE_CHILD", "MCP_SERVER_NAME"} <= {*names}
    assert "OAUTH_ISSUER" not in names


@pytest.mark.requirement("C5")
async def test_the_end_of_the_child_in_a_call_is_noticed_at_once() -> None:
    async with sdk().open() as link:
        await initialize(link)
        params = {"name": "die", "arguments": {"status": 7}}
        ask(link, "tools/call", params, upstream_id=2)
        error = await lost(link)
    assert isinstance(error, LinkLost)
    assert "status 7" in error.public
    assert "dying as told" not in error.public  # its stderr is for the log alone


@pytest.mark.requirement("R62")
async def test_the_child_starts_in_its_working_directory(tmp_path: Path) -> None:
    async with transport(
        "/bin/sh", "-c", "pwd > here", cwd=str(tmp_path)
    ).open() as link:
        await lost(link)
    assert (tmp_path / "here").read_text().strip() == str(tmp_path.resolve())


@pytest.mark.parametrize("command", ["/no/such/program", "a\0b", "/etc/passwd"])
async def test_a_command_that_cannot_start_fails_to_connect(command: str) -> None:
    with pytest.raises(ConnectFailed, match="cannot start"):
        async with transport(command).open():
            pass


@pytest.mark.requirement("C9")
async def test_the_command_is_never_given_to_a_shell() -> None:
    async with transport("/bin/echo", "$(id)", "; id", "`id`").open() as link:
        await lost(link)
    with pytest.raises(ConnectFailed):
        async with transport("echo hi; id").open():
            pass


@pytest.mark.requirement("R63", "C6")
async def test_a_deaf_child_and_its_grandchild_are_killed(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = (
        f"trap '' TERM; (trap '' TERM; sleep 300) & echo $$ $! > {pids};"
        " while :; do sleep 1; done"
    )
    with trio.fail_after(15):
        async with shell(script).open():
            started = await written(pids)
    for pid in started:
        await has_gone(pid)


@pytest.mark.requirement("C6")
async def test_a_grandchild_that_holds_stdout_does_not_hang_the_stop(
    tmp_path: Path,
) -> None:
    pid = tmp_path / "pid"
    began = trio.current_time()
    async with shell(f"sleep 300 & echo $! > {pid}; exit 4").open() as link:
        assert "status 4" in (await lost(link)).public
    assert trio.current_time() - began < 5
    await has_gone(int(pid.read_text()))


@pytest.mark.requirement("C5")
async def test_a_killed_child_is_reaped_and_named(tmp_path: Path) -> None:
    async with shell(f"echo $$ > {tmp_path}/pid; exec sleep 300").open() as link:
        (pid,) = await written(tmp_path / "pid")
        os.kill(pid, signal.SIGKILL)
        began = trio.current_time()
        assert "signal 9" in (await lost(link)).public
        assert trio.current_time() - began < 2
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.requirement("C2", "C3")
@pytest.mark.parametrize("where", ["&1", "&2"])
async def test_endless_output_is_survived(where: str) -> None:
    script = f"(yes | tr -d '\\n' | head -c 50000000) >{where}; exit 3"
    with trio.fail_after(30):
        async with shell(script).open() as link:
            assert isinstance(await lost(link), LinkLost)
