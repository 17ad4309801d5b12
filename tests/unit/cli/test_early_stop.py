"""SIGTERM while nothing has been started, and while nobody can heed it."""

import signal
from collections.abc import Iterator

import pytest

from bridge.cli.early_stop import EarlyStop


@pytest.fixture(autouse=True)
def own_handler() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


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
