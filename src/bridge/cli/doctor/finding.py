"""Pure: what a walk has found, as text and as JSON."""

from collections.abc import Iterable, Iterator
from enum import Enum

import msgspec

from bridge.cli.login_view import explanation
from bridge.cli.report import counted
from bridge.errors import BridgeError, OAuthError


class Outcome(Enum):
    """``sign`` is for terminals that can show it, ``word`` for the others."""

    OK = ("ok", "✓", "[ok]")
    FAILED = ("failed", "✗", "[FAILED]")
    SKIPPED = ("skipped", "-", "[-]")

    def __init__(self, label: str, sign: str, word: str) -> None:
        self.label = label
        self.sign = sign
        self.word = word


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step. No text holds a secret; addresses are shown without a query."""

    step: str
    outcome: Outcome
    said: str = ""
    asked: str = ""
    answered: str = ""
    rule: str = ""
    advice: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One server. ``place``: its address without what could be secret, or program."""

    server: str
    place: str
    findings: tuple[Finding, ...] = ()

    @property
    def well(self) -> bool:
        """Every step is a tick."""
        return all(each.outcome is Outcome.OK for each in self.findings)


def ok(step: str, said: str) -> Finding:
    return Finding(step=step, outcome=Outcome.OK, said=said)


def skipped(step: str, why: str) -> Finding:
    return Finding(step=step, outcome=Outcome.SKIPPED, said=why)


def failed(
    step: str,
    said: str,
    *,
    asked: str = "",
    answered: str = "",
    rule: str = "",
    advice: str = "",
) -> Finding:
    return Finding(
        step=step,
        outcome=Outcome.FAILED,
        said=said,
        asked=asked,
        answered=answered,
        rule=rule,
        advice=advice,
    )


def failure(step: str, error: BridgeError) -> Finding:
    """An error of the program as a finding."""
    if not isinstance(error, OAuthError):
        return failed(step, error.public)
    return failed(
        step,
        error.public,
        asked=error.asked,
        answered=error.answered,
        rule=error.rule,
        advice=error.advice,
    )


def as_lines(report: Report, *, signs: bool) -> Iterator[str]:
    """A server and, indented, its steps; what explains a failure stands below it."""
    yield f"{report.server} ({report.place})"
    for each in report.findings:
        mark = each.outcome.sign if signs else each.outcome.word
        yield f"  {mark} {each.step}" + (f": {each.said}" if each.said else "")
        yield from (f"      {line}" for line in explanation(each))


def tally(reports: Iterable[Report]) -> str:
    """The last line: how many servers are well."""
    all_of_them = list(reports)
    well = sum(each.well for each in all_of_them)
    if not all_of_them:
        return "no server to look at"
    return f"every step is well at {well} of {counted(len(all_of_them), 'server')}"


def as_json(reports: Iterable[Report]) -> dict[str, object]:
    """The same for programs."""
    servers = [
        {
            "server": report.server,
            "place": report.place,
            "ok": report.well,
            "steps": [
                {**plain, "outcome": each.outcome.label}
                for each in report.findings
                if (plain := _plain(each))
            ],
        }
        for report in reports
    ]
    return {"servers": servers, "ok": all(each["ok"] for each in servers)}


def _plain(finding: Finding) -> dict[str, object]:
    texts = {name: getattr(finding, name) for name in finding.__struct_fields__}
    return {name: text for name, text in texts.items() if text and name != "outcome"}
