"""The order, pace and patience of attempts at one place."""

import random
from itertools import pairwise
from math import inf, nan

import pytest

from bridge.upstream.line import Line, Manner
from bridge.upstream.retry import RETRY_AFTER_CAP

BURST = Manner(burst=3, every=1.0, at_once=100, hold=10.0)
ROOM = Manner(burst=2, at_once=2, hold=10.0)


class EvenRandom(random.Random):
    """No jitter: every turn costs one."""

    def uniform(self, a: float, b: float) -> float:
        return a


def line(manner: Manner) -> Line:
    return Line(manner, rng=EvenRandom(1))


def dues(of: Line, tickets: list[int], now: float) -> list[float]:
    return [of.due(ticket, now) for ticket in tickets]


@pytest.mark.requirement("R130")
def test_the_first_go_at_once_and_the_others_in_their_order() -> None:
    place = line(BURST)
    tickets = [place.join() for _ in range(6)]
    assert dues(place, tickets, 0.0) == [0, 0, 0, 1, 2, 3]
    for ticket in tickets[:3]:
        place.go(ticket, 0.0)
    assert dues(place, tickets[3:], 0.0) == [1, 2, 3]
    place.leave(tickets[3])
    assert dues(place, tickets[4:], 0.5) == [1.0, 2.0]


def test_a_pause_fills_the_burst_again_and_no_more() -> None:
    place = line(BURST)
    for _ in range(3):
        place.go(place.join(), 0.0)
    assert not place.is_idle(1.0)
    tickets = [place.join() for _ in range(4)]
    assert dues(place, tickets, 100.0) == [100, 100, 100, 101]


def test_a_place_that_answers_is_asked_as_fast_as_it_answers() -> None:
    place = line(BURST)
    for _ in range(50):
        ticket = place.join()
        assert place.due(ticket, 0.0) == 0.0
        place.go(ticket, 0.0)
        place.succeeded(0.0)
        place.leave(ticket)


def test_attempts_under_way_take_room_until_they_end() -> None:
    place = line(ROOM)
    first, second, third = (place.join() for _ in range(3))
    place.go(first, 0.0)
    place.go(second, 1.0)
    assert place.due(third, 2.0) == 10.0
    place.leave(second)
    assert place.due(third, 2.0) == 2.0


def test_one_that_never_ends_gives_its_room_away() -> None:
    place = line(ROOM)
    for _ in range(2):
        place.go(place.join(), 0.0)
    later = [place.join() for _ in range(5)]
    assert dues(place, later, 0.0) == [10, 10, 20, 20, 30]
    assert dues(place, later[:3], 10.0) == [10, 10, 20]


def test_free_room_counts_in_what_is_told_of_the_wait() -> None:
    place = line(Manner(burst=9, at_once=3, hold=10.0))
    place.go(place.join(), 4.0)
    tickets = [place.join() for _ in range(5)]
    assert dues(place, tickets, 5.0) == [5, 5, 14, 15, 15]


@pytest.mark.parametrize(
    ("wish", "aside"),
    [
        (42.0, 42.0),
        (1e12, RETRY_AFTER_CAP),
        (inf, RETRY_AFTER_CAP),
        (0.0, 0.0),
        (-5.0, 0.0),
        (-inf, 0.0),
        (nan, 0.0),
    ],
)
def test_a_wish_for_patience_is_heeded_within_reason(wish: float, aside: float) -> None:
    place = line(BURST)
    place.put_aside(wish, 100.0)
    assert place.aside(100.0) == aside
    assert place.due(place.join(), 100.0) == 100.0 + aside


def test_after_a_time_of_patience_they_come_one_by_one() -> None:
    place = line(BURST)
    tickets = [place.join() for _ in range(3)]
    place.put_aside(30.0, 0.0)
    assert dues(place, tickets, 10.0) == [30, 31, 32]
    place.go(tickets[0], 30.0)
    assert dues(place, tickets[1:], 30.0) == [31, 32]


def test_the_longest_of_several_wishes_counts() -> None:
    place = line(BURST)
    place.put_aside(30.0, 0.0)
    place.put_aside(5.0, 0.0)
    assert place.aside(0.0) == 30.0


def test_a_success_ends_the_patience() -> None:
    place = line(BURST)
    place.put_aside(30.0, 0.0)
    place.succeeded(10.0)
    assert place.aside(10.0) == 0.0
    tickets = [place.join() for _ in range(3)]
    assert dues(place, tickets, 10.0) == [10, 10, 10.75]


def test_it_is_worth_remembering_only_while_something_is_going_on() -> None:
    place = line(BURST)
    assert place.is_idle(0.0)
    ticket = place.join()
    assert place.waiting == 1
    assert not place.is_idle(0.0)
    place.go(ticket, 0.0)
    assert not place.is_idle(5.0)
    place.leave(ticket)
    assert place.is_idle(5.0)
    place.put_aside(10.0, 5.0)
    assert not place.is_idle(14.0)
    assert place.is_idle(17.0)


def test_to_leave_twice_is_to_leave() -> None:
    place = line(BURST)
    ticket = place.join()
    place.leave(ticket)
    place.leave(ticket)
    assert place.waiting == 0


@pytest.mark.parametrize("seed", range(20))
def test_with_jitter_the_pace_holds_and_nobody_is_overtaken(seed: int) -> None:
    place = Line(BURST, rng=random.Random(seed))
    tickets = [place.join() for _ in range(40)]
    now, went = 0.0, list[float]()
    for ticket in tickets:
        now = place.due(ticket, now)
        place.go(ticket, now)
        went.append(now)
    assert went == sorted(went)
    # 40 turns of 1 to 1.25 s, less the burst
    assert 40 - 3 <= went[-1] <= (40 - 1) * 1.25
    assert sum(at == 0 for at in went) == BURST.burst
    gaps = {round(b - a, 3) for a, b in pairwise(went)}
    assert len(gaps) > 10
