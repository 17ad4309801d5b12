"""Signals while nothing has been started, and while nobody can heed them."""

import signal
from collections.abc import Iterator

import pytest

from bridge.cli.early_signals import EarlyHangups, EarlyStop


@pytest.fixture(autouse=True)
def own_handlers() -> Iterator[None]:
    signals = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in signals}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.requirement("E1", "P8")
def test_before_anything_has_begun_the_process_ends_with_status_0() -> None:
    stop = EarlyStop()
    with pytest.raises(SystemExit) as ended:
        signal.raise_signal(signal.SIGTERM)
    assert ended.value.code == 0
    assert stop.came


@pytest.mark.requirement("E1", "P8")
def test_later_it_is_remembered_for_who_can_stop_in_order() -> None:
    stop = EarlyStop()
    stop.begin()
    assert not stop.came
    signal.raise_signal(signal.SIGTERM)
    assert stop.came


@pytest.mark.requirement("R140")
def test_a_hangup_in_the_start_ends_nothing_and_is_remembered() -> None:
    early = EarlyHangups()
    assert not early.came
    signal.raise_signal(signal.SIGHUP)
    assert early.came
