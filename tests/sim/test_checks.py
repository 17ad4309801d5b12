"""A check that cannot fail is none: each is broken here, or by a planted bug."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from bridge.protocol.codes import Code
from sim.breaches import PLANTS
from sim.canary import Canary
from sim.ledger import Asked, Ledger
from sim.page import PAGE, between, checks_table, plants_named
from sim.promises import CHECKS, INVARIANTS, PROMISES
from sim.settings import STDIO_SECRET
from sim.trace import Trace
from sim.vault import TracedBreaches

Deed = Callable[[Ledger, Asked], None]


def result(marker: str) -> dict[str, Any]:
    return {"result": {"structuredContent": {"marker": marker}}}


def failure(code: int) -> dict[str, Any]:
    return {"error": {"code": code, "data": {}}}


def answered_twice(ledger: Ledger, asked: Asked) -> None:
    ledger.answered(asked, result(asked.marker))
    ledger.answered(asked, result(asked.marker))


def foreign_answer(ledger: Ledger, asked: Asked) -> None:
    ledger.answered(asked, result("another"))


def run_twice(ledger: Ledger, asked: Asked) -> None:
    ledger.ran(asked.marker, asked.upstream)
    ledger.ran(asked.marker, asked.upstream)
    ledger.answered(asked, result(asked.marker))


def unasked(ledger: Ledger, asked: Asked) -> None:
    ledger.answered(asked, result(asked.marker))
    ledger.ran("invented", "files")


def elsewhere(ledger: Ledger, asked: Asked) -> None:
    ledger.ran(asked.marker, "git")
    ledger.answered(asked, result(asked.marker))


def denied(ledger: Ledger, asked: Asked) -> None:
    ledger.ran(asked.marker, asked.upstream)
    ledger.answered(asked, failure(Code.UPSTREAM_UNAVAILABLE))


def steady_fails(ledger: Ledger, asked: Asked) -> None:
    asked.must_succeed = True
    ledger.answered(asked, failure(Code.INTERNAL_ERROR))


def forbidden(ledger: Ledger, asked: Asked) -> None:
    ledger.answered(asked, result(asked.marker))
    ledger.forbid("stolen")
    ledger.ran("stolen", "files")


def forgotten(_ledger: Ledger, _asked: Asked) -> None:
    """Nobody ever answers."""


DEEDS: dict[str, Deed] = {
    "answer once": answered_twice,
    "own answer": foreign_answer,
    "run once": run_twice,
    "origin": unasked,
    "route": elsewhere,
    "honest": denied,
    "isolation": steady_fails,
    "guard": forbidden,
    "answered": forgotten,
}


@pytest.mark.parametrize("check", DEEDS)
async def test_the_ledger_finds(check: str) -> None:
    trace = Trace(1)
    ledger = Ledger(trace)
    DEEDS[check](ledger, ledger.ask("a.1", visit="a", upstream="files"))
    ledger.close()
    assert {breach.promise for breach in trace.breaches} == {check}


async def test_the_ledger_finds_nothing_where_all_is_well() -> None:
    trace = Trace(1)
    ledger = Ledger(trace)
    asked = ledger.ask("a.1", visit="a", upstream="files")
    ledger.ran("a.1", "files")
    ledger.answered(asked, result("a.1"))
    ledger.close()
    assert trace.breaches == []


async def test_a_late_answer_of_the_steady_upstream_is_found(
    autojump_clock: object,
) -> None:
    trace = Trace(1)
    ledger = Ledger(trace)
    asked = ledger.ask("a.1", visit="a", upstream="files")
    asked.must_succeed = True
    await trio.sleep(3)
    ledger.answered(asked, result("a.1"))
    assert [breach.promise for breach in trace.breaches] == ["isolation"]


async def test_a_secret_in_an_answer_and_in_the_log_is_found() -> None:
    trace = Trace(1)
    canary = Canary(trace, tokens=["tell-nobody"])
    canary.heard("nothing to see")
    canary.heard("the token is tell-nobody")
    canary.lines.append(f"API_KEY={STDIO_SECRET}")
    canary.judge_lines()
    assert {breach.promise for breach in trace.breaches} == {"secrets"}
    assert len(trace.breaches) == 3  # the answer, and two lines


async def test_what_the_provider_holds_against_the_bridge_is_found() -> None:
    trace = Trace(1)
    breaches = TracedBreaches(trace)
    breaches.note("state.reused")  # a person opened an old page
    breaches.note("refresh.twice")
    assert [breach.promise for breach in trace.breaches] == ["tokens"]


def test_every_check_has_a_name_and_every_promise_a_check() -> None:
    code = "".join(p.read_text("utf-8") for p in Path(__file__).parent.glob("*.py"))
    used = set(re.findall(r'breach\(\s*"([a-z ]+)"', code)) | {"crash"}
    assert used == set(CHECKS)
    checks = CHECKS.values()
    assert {n for each in checks for n in each.invariants} == set(INVARIANTS)
    assert {n for each in checks for n in each.promises} == set(PROMISES)


def test_the_page_tells_of_every_check_and_every_planted_bug() -> None:
    page = PAGE.read_text("utf-8")
    assert between(page, "checks") == checks_table()
    assert sorted(plants_named(page)) == sorted(PLANTS)
    assert "| not found |" not in between(page, "plants")
