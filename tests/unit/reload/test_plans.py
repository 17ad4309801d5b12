"""What is said of a reload."""

from bridge.config import diff
from bridge.contract.reload import Plan, Remark
from bridge.errors import Problem
from bridge.reload.plans import plan_of, problem_of, refusal, sentences
from kit.configs import LOCAL, load

FILE = "config.json"


def planned(before: dict[str, object], after: dict[str, object]) -> Plan:
    old, new = load(before), load(after)
    return plan_of(
        FILE,
        diff(old.config, new.config),
        old=old.config,
        new=new.config,
        problems=new.problems,
    )


def test_a_plan_names_servers_and_the_keys_in_which_they_differ() -> None:
    plan = planned(
        {"a": LOCAL, "b": LOCAL, "c": LOCAL},
        {"b": {**LOCAL, "env": {"TOKEN": "hidden-value"}}, "a": LOCAL, "d": LOCAL},
    )
    assert plan == Plan(
        file=FILE,
        unchanged=("a",),
        changed=("b",),
        keys={"b": ("env.TOKEN",)},
        added=("d",),
        removed=("c",),
        reordered=True,
    )
    assert "hidden-value" not in repr(plan)
    assert not plan.is_empty
    assert not plan.refused


def test_a_warning_refuses_nothing() -> None:
    plan = planned({"a": LOCAL}, {"a": LOCAL, "b": {**LOCAL, "tmeout": 1}})
    assert [(each.path, each.fatal) for each in plan.problems] == [
        ("mcpServers.b.tmeout", False)
    ]
    assert not plan.refused


def test_a_refused_plan_changes_nothing_and_is_not_empty_either() -> None:
    problems = [
        Problem("a", "is wrong", hint="right it", server="x", at=(3, 4)),
        Problem("b", "is odd", fatal=False),
    ]
    assert sentences(refusal(FILE, [Problem("(file)", "gone")])) == ["(file): gone"]
    plan = refusal(FILE, problems)
    assert plan.refused
    assert not plan.is_empty
    assert sentences(plan) == ["3:4: a: is wrong (right it)"]
    assert plan.problems == (
        Remark(path="a", reason="is wrong", hint="right it", server="x", at=(3, 4)),
        Remark(path="b", reason="is odd", fatal=False),
    )


def test_a_remark_gives_back_the_problem_it_was_made_of() -> None:
    problem = Problem("a", "is wrong", hint="right it", server="x", at=(3, 4))
    (remark,) = refusal(FILE, [problem]).problems
    again = problem_of(remark)
    for name in Problem.__slots__:
        assert getattr(again, name) == getattr(problem, name)


def test_the_same_file_is_an_empty_plan() -> None:
    assert planned({"a": LOCAL}, {"a": LOCAL}).is_empty
    assert not planned({"a": LOCAL, "b": LOCAL}, {"b": LOCAL, "a": LOCAL}).is_empty
