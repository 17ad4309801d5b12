"""`bridge plan` and `bridge reload`: what the file would change, and has changed."""

from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import trio
from msgspec.structs import replace

from bridge.cli import report
from bridge.cli.control_client import ControlClient
from bridge.cli.exit import EXIT_OK, EXIT_USAGE
from bridge.cli.invocation import Refused
from bridge.cli.remote import Target, socket_of
from bridge.cli.table import Format, printable, show_json, show_table
from bridge.config import Loaded, diff, format_problems
from bridge.contract.reload import Plan
from bridge.reload.plans import plan_of, problem_of, refusal, unreadable

PLAN_PAGE = ("GET", "/config/plan")
RELOAD_PAGE = ("POST", "/config/reload")
#: The bridge bounds what it does itself; then it says so.
_DEADLINE = 180.0
COLUMNS = ("Server", "Change", "Keys")


def ask_running(page: tuple[str, str], *, home: Path, port: int | None) -> Plan:
    """The plan of the bridge that runs. Raises CommandFailed."""
    client = ControlClient(socket_of(Target(home=home, port=port)))
    method, path = page

    async def asked() -> bytes:
        return await client.ask(method, path, deadline=_DEADLINE)

    return report.decoded(trio.run(asked), Plan)


def compare(
    old: tuple[str, Loaded] | Refused, new: tuple[str, Loaded] | Refused
) -> Plan:
    """What a bridge that runs the old file would make of the new one."""
    for found in (old, new):
        if isinstance(found, Refused):
            return unreadable(found.source, found.error)
        file, loaded = found
        if any(problem.fatal for problem in loaded.problems):
            return refusal(file, loaded.problems)
    assert not isinstance(old, Refused)
    assert not isinstance(new, Refused)
    before, after = old[1].config, new[1].config
    return plan_of(
        new[0],
        diff(before, after),
        old=before,
        new=after,
        problems=new[1].problems,
    )


def show_plan(plan: Plan, *, form: Format, running: bool = True) -> int:
    """Print it. The exit status: 2 when the file cannot be applied.

    ``running``: it is about a bridge that runs, not about two files.
    """
    if form == "json":
        show_json(msgspec.to_builtins(plan))
    else:
        _show(plan, running=running)
    return EXIT_USAGE if plan.refused else EXIT_OK


def _show(plan: Plan, *, running: bool) -> None:
    # A refused file is refused whole: no server of it is merely left out.
    told = (replace(x, server=None) if plan.refused else x for x in plan.problems)
    problems = [problem_of(remark) for remark in told]
    for line in format_problems(plan.file, problems).splitlines():
        click.echo(printable(line))
    click.echo(printable(f"{plan.file}: {headline(plan, running=running)}"))
    if plan.refused:
        return
    show_table(COLUMNS, rows(plan))
    for line in notes(plan):
        click.echo(printable(line))


def headline(plan: Plan, *, running: bool = True) -> str:
    """The whole in one line."""
    if plan.refused and running:
        return "cannot be applied; the bridge goes on with what it runs"
    if plan.refused:
        return "has errors, so the two files cannot be compared"
    if plan.is_empty:
        return "nothing has changed"
    counts = (
        f"{len(plan.changed)} changed",
        f"{len(plan.added)} added",
        f"{len(plan.removed)} removed",
        f"{len(plan.unchanged)} unchanged",
    )
    return f"{', '.join(counts)}; {'applied' if plan.applied else 'not applied'}"


def rows(plan: Plan) -> Iterator[tuple[str, ...]]:
    """Every server, those that nothing happens to last."""
    for name in plan.changed:
        yield name, "changed", ", ".join(plan.keys.get(name, ()))
    for word, names in (
        ("added", plan.added),
        ("removed", plan.removed),
        ("unchanged", plan.unchanged),
    ):
        yield from ((name, word, "") for name in names)


def notes(plan: Plan) -> Iterator[str]:
    """What does not concern one server."""
    if plan.reordered:
        yield "servers stand in another order"
    if plan.live:
        yield f"taken over at once: {_keys(plan.live)}"
    if plan.restart:
        yield f"only after a restart: {_keys(plan.restart)}"


def _keys(names: tuple[str, ...]) -> str:
    return ", ".join(f"bridge.{name}" for name in names)
