"""When a stall is one, who is named, and how often it is said."""

import pytest

from bridge.observe.stall import (
    HOPELESS,
    LIMIT,
    MAX_SAMPLES,
    NOBODY,
    PERIOD,
    SEVERAL,
    SPACING,
    Sample,
    StallRecord,
)

A = Sample("upstream:a", "bridge.x:f:1")
B = Sample("upstream:b", "bridge.y:g:2")


def record() -> StallRecord:
    return StallRecord(now=0.0, cpu=0.0)


@pytest.mark.requirement("E8")
def test_beats_in_time_say_nothing() -> None:
    beats = record()
    for n in range(1, 100):
        assert beats.beat(now=n * (PERIOD + 0.9 * LIMIT), cpu=0.0) is None
    assert (beats.count, beats.longest) == (0, 0.0)


@pytest.mark.requirement("E8")
def test_a_late_beat_names_the_task_that_ran_all_the_time() -> None:
    beats = record()
    for at in (0.1, 0.15):
        assert beats.sampled(A, now=at, cpu=0.1) is None
    stall = beats.beat(now=0.25, cpu=0.19)
    assert stall is not None
    assert (stall.seconds, stall.cpu) == (0.2, 0.19)
    assert (stall.task, stall.where) == ("upstream:a", "bridge.x:f:1")
    assert (beats.count, beats.longest) == (1, pytest.approx(0.2))


def test_many_busy_tasks_are_not_blamed_on_one() -> None:
    beats = record()
    beats.sampled(A, now=0.1, cpu=0.0)
    beats.sampled(B, now=0.15, cpu=0.0)
    stall = beats.beat(now=0.3, cpu=0.3)
    assert stall is not None
    assert (stall.task, stall.where) == (SEVERAL, "")


def test_a_process_that_did_not_run_blames_nobody() -> None:
    stall = record().beat(now=60.0, cpu=0.001)
    assert stall is not None
    assert (stall.task, stall.cpu) == (NOBODY, 0.001)


def test_the_samples_of_one_stall_are_not_those_of_the_next() -> None:
    beats = record()
    beats.sampled(A, now=0.1, cpu=0.0)
    beats.beat(now=0.2, cpu=0.0)
    beats.sampled(B, now=SPACING + 0.1, cpu=0.0)
    stall = beats.beat(now=SPACING + 1, cpu=0.0)
    assert stall is not None
    assert stall.task == "upstream:b"


def test_a_flood_is_one_line_now_and_then_and_counted() -> None:
    beats = record()
    lines = [beats.beat(now=n * 0.5, cpu=0.0) for n in range(1, 62)]
    said = [line for line in lines if line is not None]
    assert beats.count == 61
    assert [line.suppressed for line in said] == [0, 19, 19, 19]


def test_a_loop_that_never_comes_back_is_told_once_while_it_hangs() -> None:
    beats = record()
    times = [0.1 * n for n in range(1, 200)]
    told = [beats.sampled(A, now=at, cpu=at) for at in times]
    said = [stall for stall in told if stall is not None]
    assert len(said) == 1
    assert said[0].seconds == pytest.approx(HOPELESS, abs=0.2)
    assert said[0].task == "upstream:a"
    assert len(times) > MAX_SAMPLES
    assert beats.beat(now=20.0, cpu=20.0) is not None
    assert beats.sampled(A, now=20.1, cpu=20.0) is None
