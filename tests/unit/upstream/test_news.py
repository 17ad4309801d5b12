"""Limits on what an upstream may say unasked."""

import pytest
from msgspec import Raw

from bridge.protocol.frame import Frame, notification, raw
from bridge.upstream.news import (
    BULLETINS_AT_ONCE,
    BULLETINS_HELD,
    PROGRESS_BURST,
    Bulletins,
    LineBudget,
    ProgressGate,
    integer,
    progress_value,
)


def progress(value: object) -> dict[str, Raw]:
    return {"progress": raw(value)}


def updated(uri: str) -> Frame:
    return notification("notifications/resources/updated", {"uri": uri})


def test_progress_must_be_a_number_that_rises() -> None:
    gate = ProgressGate()
    verdicts = [gate.rises(progress(v)) for v in (1, 1, 0.5, "2", None, 1.5, 10**30)]
    assert verdicts == [True, False, False, False, False, True, True]
    assert not gate.rises({})
    assert progress_value({"progress": Raw(b'"\xff"')}) is None


@pytest.mark.requirement("C31")
def test_the_latest_progress_passes_when_the_gap_is_over() -> None:
    gate = ProgressGate()
    assert gate.release(0.0) is None
    for value in range(PROGRESS_BURST + 1):  # the few of a short call all pass
        gate.rises(progress(value))
        assert gate.release(0.0) == progress(value)
    assert gate.open_at is None
    gate.rises(progress(20))
    gate.rises(progress(30))
    assert gate.release(0.05) is None
    assert gate.open_at == pytest.approx(0.1)
    assert gate.release(0.11) == progress(30)
    gate.rises(progress(40))
    assert gate.flush() == progress(40)
    assert gate.flush() is None


@pytest.mark.requirement("C31")
def test_doubled_bulletins_are_one_and_their_number_is_bounded() -> None:
    bulletins = Bulletins()
    assert bulletins.release(0.0) == []
    bulletins.hold(updated("a"))
    assert bulletins.release(0.0) == [updated("a")]
    for _ in range(3):
        bulletins.hold(updated("a"))
        bulletins.hold(updated("b"))
    bulletins.hold(notification("notifications/elicitation/complete"))
    assert bulletins.release(0.05) == []
    assert bulletins.open_at == 0.1
    assert len(bulletins.release(0.1)) == 3
    assert bulletins.open_at is None
    for number in range(BULLETINS_HELD + 5):
        bulletins.hold(updated(str(number)))
    assert bulletins.dropped == 5
    bulletins.clear()
    assert bulletins.release(9.0) == []


@pytest.mark.requirement("C31")
def test_log_lines_have_a_budget_that_refills() -> None:
    budget = LineBudget()
    assert sum(budget.take(0.0) for _ in range(500)) == 100
    assert sum(budget.take(1.0) for _ in range(500)) == 50
    assert sum(budget.take(1000.0) for _ in range(500)) == 100


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, None), (Raw(b"7"), 7), (Raw(b'"7"'), None), (Raw(b"7.5"), None)],
)
def test_an_integer_is_an_integer(value: Raw | None, expected: int | None) -> None:
    assert integer(value) == expected


def test_a_flood_of_different_ones_passes_in_portions_and_in_order() -> None:
    bulletins = Bulletins()
    for number in range(100):
        bulletins.hold(updated(str(number)))
    first = bulletins.release(0.0)
    assert first == [updated(str(number)) for number in range(BULLETINS_AT_ONCE)]
    assert bulletins.open_at == pytest.approx(0.1)
    assert bulletins.release(0.05) == []
    assert len(bulletins.release(0.11)) == 100 - BULLETINS_AT_ONCE
    assert bulletins.open_at is None
