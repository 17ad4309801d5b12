"""What is said of a reload: from a difference and what was found wrong. Pure."""

from collections.abc import Iterable

from bridge.config import Config, Difference
from bridge.config.keys import changed_keys
from bridge.contract.reload import Plan, Remark
from bridge.errors import ConfigError, Problem


def plan_of(
    file: str,
    difference: Difference,
    *,
    old: Config,
    new: Config,
    problems: Iterable[Problem] = (),
    applied: bool = False,
) -> Plan:
    """The plan of a file that can be applied. ``problems`` are warnings only."""
    before = {server.name: server for server in old.upstreams}
    after = {server.name: server for server in new.upstreams}
    return Plan(
        file=file,
        applied=applied,
        unchanged=difference.unchanged,
        changed=difference.changed,
        keys={
            name: changed_keys(before[name], after[name]) for name in difference.changed
        },
        added=difference.added,
        removed=difference.removed,
        reordered=difference.reordered,
        live=difference.live,
        restart=difference.restart,
        problems=remarks(problems),
    )


def refusal(file: str, problems: Iterable[Problem]) -> Plan:
    """Nothing is applied. Warnings among the problems are told as well."""
    return Plan(file=file, problems=remarks(problems))


def unreadable(file: str, error: ConfigError) -> Plan:
    """The refusal of a file nothing can be made of."""
    return refusal(file, error.problems or (Problem("(file)", error.public),))


def remarks(problems: Iterable[Problem]) -> tuple[Remark, ...]:
    return tuple(
        Remark(
            path=problem.path,
            reason=problem.reason,
            hint=problem.hint,
            fatal=problem.fatal,
            server=problem.server,
            at=problem.at,
        )
        for problem in problems
    )


def problem_of(remark: Remark) -> Problem:
    """What a remark was made of, for `bridge.config.format_problems`."""
    return Problem(
        remark.path,
        remark.reason,
        hint=remark.hint,
        server=remark.server,
        fatal=remark.fatal,
        at=remark.at,
    )


def sentences(plan: Plan) -> list[str]:
    """The errors of a refused plan, one line each, with line and column in the file."""
    return [
        f"{_place(remark)}{problem_of(remark)}"
        for remark in plan.problems
        if remark.fatal
    ]


def _place(remark: Remark) -> str:
    return "" if remark.at is None else f"{remark.at[0]}:{remark.at[1]}: "
