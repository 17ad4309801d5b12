"""Which definitions an approval is about."""

import msgspec
import pytest

from bridge.cli.exit import EXIT_USAGE, CommandFailed
from bridge.cli.pins import Choice, batches, chosen_of
from bridge.observe.status import HeldStatus, PinStatus

pytestmark = pytest.mark.requirement("C35")


def held(key: str, kind: str = "tools") -> HeldStatus:
    return HeldStatus(kind=kind, key=key, why="new", hash="a" * 64)


STATUS = PinStatus(name="files", held=(held("a"), held("b"), held("a", "prompts")))


def test_a_name_means_the_tool_and_the_prompt_of_that_name() -> None:
    found = chosen_of(STATUS, Choice(server="files", names=("a",)))
    assert [(each.kind, each.key) for each in found] == [
        ("tools", "a"),
        ("prompts", "a"),
    ]


def test_all_is_everything_that_is_held_back() -> None:
    found = chosen_of(STATUS, Choice(server="files", everything=True))
    assert tuple(found) == STATUS.held
    assert chosen_of(PinStatus(name="x"), Choice(server="x", everything=True)) == []


def test_a_name_that_is_not_held_back_approves_nothing() -> None:
    choice = Choice(server="files", names=("a", "zip\x1b"))
    with pytest.raises(CommandFailed) as failure:
        chosen_of(STATUS, choice)
    assert failure.value.status == EXIT_USAGE
    (line,) = failure.value.lines
    assert "'zip\\x1b' of 'files' is not held back; held back: a, b" in line


def test_many_approvals_travel_in_portions() -> None:
    keys = [f"{n:04}" + "x" * 1000 for n in range(200)]
    portions = [*batches(map(held, keys))]
    assert [each.key for portion in portions for each in portion] == keys
    assert all(len(msgspec.json.encode(portion)) <= 33_000 for portion in portions)
    assert len(portions) < 10
    assert [len(p) for p in batches([held("x" * 40_000), held("y")])] == [1, 1]
    assert [*batches([])] == []
