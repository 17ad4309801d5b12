"""The configuration file on the control socket, and nowhere else."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from bridge.contract.reload import Plan, Remark
from bridge.downstream.message import Response
from bridge.downstream.reload_pages import NO_FILE, ReloadPages
from bridge.downstream.routes import find
from kit.requests import make_request

PLAN = Plan(file="config.json", changed=("a",), keys={"a": ("args",)})
REFUSED = Plan(file="config.json", problems=(Remark(path="a", reason="is wrong"),))
READ = make_request("/config/plan")
RELOAD = make_request("/config/reload", method="POST")


class Asked:
    """Implements `bridge.contract.reload.Reloading`."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def plan(self) -> Plan:
        await trio.lowlevel.checkpoint()
        self.asked.append("plan")
        return PLAN

    async def reload(self) -> Plan:
        await trio.lowlevel.checkpoint()
        self.asked.append("reload")
        return REFUSED


def body(response: Response | None) -> Mapping[str, Any]:
    assert response is not None
    return json.loads(response.body)


async def test_a_plan_is_read(autojump_clock: MockClock) -> None:
    asked = Asked()
    answer = await ReloadPages(asked).handle(READ)
    assert answer is not None
    assert answer.status == 200
    assert body(answer)["keys"] == {"a": ["args"]}
    assert asked.asked == ["plan"]


async def test_a_refused_reload_is_a_good_answer_that_says_why(
    autojump_clock: MockClock,
) -> None:
    asked = Asked()
    answer = await ReloadPages(asked).handle(RELOAD)
    assert answer is not None
    assert answer.status == 200
    assert body(answer)["problems"][0]["reason"] == "is wrong"
    assert asked.asked == ["reload"]


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/config/plan"), ("GET", "/config/reload")]
)
async def test_reading_never_changes_anything(
    autojump_clock: MockClock, method: str, path: str
) -> None:
    asked = Asked()
    answer = await ReloadPages(asked).handle(make_request(path, method=method))
    assert answer is not None
    assert (answer.status, asked.asked) == (405, [])


async def test_a_bridge_without_a_file_says_so(autojump_clock: MockClock) -> None:
    answer = await ReloadPages(None).handle(READ)
    assert answer is not None
    assert answer.status == 409
    assert body(answer)["message"] == NO_FILE


async def test_other_paths_are_none_of_these(autojump_clock: MockClock) -> None:
    for path in ("/config", "/config/", "/config/plan/x", "/status"):
        assert await ReloadPages(Asked()).handle(make_request(path)) is None


def test_the_front_door_has_no_such_page() -> None:
    assert find("/config/plan") is None
    assert find("/config/reload") is None
