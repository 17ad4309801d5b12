"""The file of a running bridge is edited: what changes, what does not, what is said."""

import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from interop.rig.bridge import RunningBridge, running_bridge, start_bridge
from interop.rig.command import run_command
from interop.rig.config_file import (
    ConfigFile,
    in_place,
    mounted,
    removed_and_made_again,
    renamed_over,
    takes_hangups,
    through_a_backup,
)
from interop.rig.event_stream import BareClient, Json, bare_client
from interop.rig.process import descendants, is_alive
from interop.rig.servers import scripted_entry

pytestmark = [pytest.mark.interop, pytest.mark.requirement("R139", "R140", "E2")]

CHANGED = "notifications/tools/list_changed"
QUICK: dict[str, Any] = {"configReload": {"debounceMs": 100}}
#: Nobody but the test itself applies what it writes.
UNWATCHED: dict[str, Any] = {"configReload": {"enabled": False}}
STAYS = {"stays": scripted_entry(tags=["old"])}
WAYS = (
    *(in_place, renamed_over, through_a_backup, removed_and_made_again),
    *(mounted, mounted),
)


async def text_of(client: BareClient, tool: str, **arguments: object) -> str:
    answer = await client.answer(await client.call(tool, **arguments))
    return str(answer["result"]["content"][0]["text"])


async def names(client: BareClient) -> set[str]:
    number = await client.ask("tools/list")
    tools = (await client.answer(number))["result"]["tools"]
    return {str(tool["name"]).partition("__")[0] for tool in tools}


async def until_listed(client: BareClient, servers: set[str]) -> None:
    with trio.fail_after(20):
        while await names(client) != servers:  # noqa: ASYNC110 - asked over the wire
            await trio.sleep(0.05)


@pytest.mark.requirement("R141", "R142")
async def test_every_way_to_edit_the_file_is_followed_and_touches_no_other_server(
    tmp_path: Path,
) -> None:
    config = {"mcpServers": STAYS, "bridge": QUICK}
    with running_bridge(config, tmp_path, args=["--no-auth"]) as bridge:
        file = ConfigFile(bridge, tmp_path)
        async with bare_client(bridge.url) as client:
            pid = await text_of(client, "stays__pid")
            for number, write in enumerate(WAYS):
                told = client.notified(CHANGED)
                new = f"new{number}"
                write(file.path, file.text({**STAYS, new: scripted_entry()}))
                await until_listed(client, {"stays", new})
                assert client.notified(CHANGED) > told, write.__name__
                assert await text_of(client, f"{new}__echo", text="hi") == "hi"
            assert await text_of(client, "stays__pid") == pid
        assert bridge.events("bridge.reload_refused") == []
        assert len(bridge.events("bridge.reloaded")) == len(WAYS)


@pytest.mark.requirement("R142")
async def test_routes_and_tags_answer_by_the_new_file(tmp_path: Path) -> None:
    config = {"mcpServers": STAYS, "bridge": UNWATCHED}

    def listed(bridge: RunningBridge, path: str) -> int:
        return httpx.get(f"{bridge.url}/sse/{path}/list_tools").status_code

    with running_bridge(config, tmp_path, args=["--no-auth"]) as bridge:
        file = ConfigFile(bridge, tmp_path)
        assert (listed(bridge, "tag/new"), listed(bridge, "mcp/extra")) == (404, 404)
        extra = scripted_entry(tags=["new"])
        file.path.write_text(file.text({**STAYS, "extra": extra}))
        plan = await file.reload()
        assert plan["added"] == ["extra"]
        assert (listed(bridge, "tag/new"), listed(bridge, "mcp/extra")) == (200, 200)
        moved = {"stays": scripted_entry(tags=["new"])}
        file.path.write_text(file.text(moved))
        plan = await file.reload()
        assert plan["keys"] == {"stays": ["tags"]}
        assert (listed(bridge, "tag/new"), listed(bridge, "mcp/extra")) == (200, 404)
        assert listed(bridge, "tag/old") == 404


async def test_a_bad_file_changes_nothing_and_a_hangup_says_so(tmp_path: Path) -> None:
    with running_bridge({"mcpServers": STAYS}, tmp_path, args=["--no-auth"]) as bridge:
        file = ConfigFile(bridge, tmp_path)
        good = file.path.read_text()
        async with bare_client(bridge.url) as client:
            pid = await text_of(client, "stays__pid")
            bad = [
                good[: len(good) // 2],
                file.text({**STAYS, "broken": {"timeout": 1}}),
                file.text({}, port="no port"),
            ]
            for number, text in enumerate(bad, start=1):
                file.path.write_text(text)
                file.hang_up()
                await file.seen("bridge.hangup", number)
            file.path.unlink()
            file.hang_up()
            await file.seen("bridge.hangup", len(bad) + 1)
            assert await text_of(client, "stays__pid") == pid
            file.path.write_text(file.text({**STAYS, "new": scripted_entry()}))
            file.hang_up()
            await until_listed(client, {"stays", "new"})
            assert await text_of(client, "stays__pid") == pid
        said = [str(event["outcome"]) for event in bridge.events("bridge.hangup")]
        assert said == ["refused: nothing was changed"] * 4 + ["reloaded"]
        refused = bridge.events("bridge.reload_refused")
        assert [len(event["problems"]) for event in refused] == [1] * 4
        assert "mcpServers.broken" in refused[1]["problems"][0]


async def test_a_server_that_leaves_finishes_its_calls(tmp_path: Path) -> None:
    config = {"mcpServers": {**STAYS, "leaves": scripted_entry()}}
    with running_bridge(config, tmp_path, args=["--no-auth"]) as bridge:
        file = ConfigFile(bridge, tmp_path)
        async with bare_client(bridge.url) as client:
            pid = int(await text_of(client, "leaves__pid"))
            number = await client.call("leaves__sleep", seconds=2)
            file.path.write_text(file.text(STAYS))
            assert (await file.reload())["removed"] == ["leaves"]
            refused = await client.answer(await client.call("leaves__echo", text="x"))
            assert "leaves" in str(refused)
            assert "error" in refused or refused["result"]["isError"]
            answer = await client.answer(number)
            assert answer["result"]["content"][0]["text"] == "slept 2.0"
            with trio.fail_after(20):
                while is_alive(pid):  # noqa: ASYNC110 - another process
                    await trio.sleep(0.05)
        assert len(bridge.events("upstream.left")) == 1


def _hang_up_all_along(bridge: RunningBridge, file: ConfigFile) -> None:
    process = bridge.process
    process.wait_until(lambda: takes_hangups(process.pid), 30)
    while not bridge.events("bridge.started"):
        file.hang_up()
        assert process.status is None, process.output()
        time.sleep(0.002)


def test_hangups_while_it_starts_end_nothing_and_are_not_forgotten(
    tmp_path: Path,
) -> None:
    bridge = start_bridge({"mcpServers": STAYS}, tmp_path, args=["--no-auth"])
    try:
        file = ConfigFile(bridge, tmp_path)
        _hang_up_all_along(bridge, file)
        bridge.wait_until_ready()
        heard = bridge.process.wait_until(lambda: bridge.events("bridge.hangup"), 10)
        assert {event["outcome"] for event in heard} == {"unchanged"}
        bridge.stop()
    finally:
        bridge.process.end(1.0)
    assert descendants(bridge.process.pid) == []


def test_plan_and_reload_say_what_changes_and_what_has(tmp_path: Path) -> None:
    secret = "correct-horse-battery"
    with running_bridge({"mcpServers": STAYS}, tmp_path, args=["--no-auth"]) as bridge:
        file = ConfigFile(bridge, tmp_path)

        def said(*words: str, status: int = 0) -> str:
            ended = run_command(*words, folder=tmp_path)
            assert ended.status == status, ended
            assert ended.lines == []
            assert secret not in ended.out
            return ended.out

        assert "nothing has changed" in said("plan")
        changed = scripted_entry(tags=["old"], env={"API_KEY": secret})
        new = {"stays": changed, "new": scripted_entry()}
        file.path.write_text(file.text(new, pageSize=7, separator="."))
        shown = said("plan")
        assert "1 changed, 1 added, 0 removed, 0 unchanged; not applied" in shown
        assert "| stays  | changed | env.API_KEY |" in shown
        assert "taken over at once: bridge.separator" in shown
        assert "only after a restart: bridge.pageSize" in shown
        assert bridge.events("bridge.reloaded") == []
        assert "0 unchanged; applied" in said("reload")
        plan: Json = run_command("plan", "--format", "json", folder=tmp_path).json
        assert (plan["unchanged"], plan["restart"]) == (["stays", "new"], ["pageSize"])
        file.path.write_text("{")
        for words in (["plan"], ["reload"]):
            shown = said(*words, status=2)
            assert f"{file.path}:1:2: error: (file): " in shown
            assert "goes on with what it runs" in shown
        assert secret not in bridge.process.output()


def test_without_a_bridge_the_commands_say_so(tmp_path: Path) -> None:
    for words in (["plan"], ["reload"]):
        ended = run_command(*words, folder=tmp_path)
        assert ended.status == 1
        assert "no bridge runs here" in ended.err
