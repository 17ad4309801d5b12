"""Every wait towards a server has a bound, and its line in docs/citizenship.md."""

import ast
import re
from collections.abc import Iterator

import pytest

from bridge.upstream.alarms import Alarm
from kit.imports import modules
from kit.pages import DOCS

ROOMS = ("upstream", "wire", "http", "oauth", "identity")
"""The rooms that talk to servers, or run once per upstream."""

_WAITS = frozenset(
    {"sleep", "sleep_until", "move_on_after", "move_on_at", "fail_after", "fail_at"}
)
_ROW = re.compile(r"^\| ([\w.]+)(?: `(\w+)`)? \| (.+?) \| (.+?) \|$", re.MULTILINE)


def documented() -> dict[str, tuple[str, str]]:
    """What the page says: a wait or an alarm, its bound and its jitter."""
    page = (DOCS / "citizenship.md").read_text()
    _, _, waits = page.partition("## Every wait has a bound")
    return {
        " ".join(filter(None, (place, function))): (bound, jitter)
        for place, function, bound, jitter in _ROW.findall(waits)
        if place not in {"wait", "alarm"}
    }


def waits_in(module: str, tree: ast.AST, function: str = "") -> Iterator[str]:
    """Each function that waits for time, as ``module function``."""
    for node in ast.iter_child_nodes(tree):
        inner = function
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inner = node.name
        if isinstance(node, ast.Call) and is_wait(node):
            yield f"{module} {inner}"
        yield from waits_in(module, node, inner)


def is_wait(call: ast.Call) -> bool:
    match call.func:
        case ast.Attribute(value=ast.Name(id="trio"), attr="CancelScope"):
            return any(keyword.arg == "deadline" for keyword in call.keywords)
        case ast.Attribute(value=ast.Name(id="trio"), attr=name):
            return name in _WAITS
        case _:
            return False


def found() -> set[str]:
    rooms = tuple(f"bridge.{room}." for room in ROOMS)
    return {
        wait
        for name, path in modules().items()
        if name.startswith(rooms)
        for wait in waits_in(name.removeprefix("bridge."), ast.parse(path.read_text()))
    }


def test_every_wait_is_documented_with_its_bound_and_its_jitter() -> None:
    alarms = {alarm.name for alarm in Alarm}
    assert documented().keys() - alarms == found(), (
        "a wait towards a server is new or gone: say in docs/citizenship.md how it is"
        " bounded, and what spreads it where many upstreams begin it together"
    )


def test_every_alarm_is_documented_with_its_bound_and_its_jitter() -> None:
    alarms = {alarm.name for alarm in Alarm}
    assert documented().keys() & alarms == alarms


@pytest.mark.parametrize(
    ("source", "waits"),
    [
        ("async def f():\n    await trio.sleep(1)", {"m f"}),
        ("async def f():\n    with trio.move_on_after(1): pass", {"m f"}),
        ("async def f():\n    trio.CancelScope(deadline=3)", {"m f"}),
        ("async def f():\n    trio.CancelScope()", set[str]()),
        ("async def f():\n    await trio.sleep_forever()", set[str]()),
    ],
)
def test_a_wait_is_recognised(source: str, waits: set[str]) -> None:
    assert set(waits_in("m", ast.parse(source))) == waits
