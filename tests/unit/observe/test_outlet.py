"""The log's last step: a slow, full or closed reader neither stops nor breaks us."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.observe.outlet import Outlet

PIPE_SIZE = 16_384  # four pages: a pipe takes writes while a page is free


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    yield reader, writer
    for descriptor in (reader, writer):
        try:
            os.close(descriptor)
        except OSError:
            continue  # the test closed it


def test_lines_arrive_in_order(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    outlet = Outlet(writer)
    outlet.write(b"one\n")
    outlet.write(b"two\n")
    assert os.read(reader, 100) == b"one\ntwo\n"
    assert outlet.dropped == 0


@pytest.mark.requirement("E4")
def test_a_reader_that_stopped_costs_lines_but_no_time_and_no_memory(
    pipe: tuple[int, int],
) -> None:
    reader, writer = pipe
    outlet = Outlet(writer, pending_limit=1000)
    for _ in range(1000):
        outlet.write(b"x" * 99 + b"\n")  # would block for ever on the bare descriptor
    arrived = len(os.read(reader, 10 * PIPE_SIZE))
    kept = 1000 * 100 - 100 * outlet.dropped - arrived
    assert 0 < arrived <= PIPE_SIZE
    assert 900 <= kept <= 1000


def test_what_was_kept_for_a_slow_reader_follows_when_there_is_room(
    pipe: tuple[int, int],
) -> None:
    reader, writer = pipe
    outlet = Outlet(writer)
    line = b"y" * 9999 + b"\n"
    for _ in range(3):
        outlet.write(line)
    received = b""
    while len(received) < 3 * len(line):
        received += os.read(reader, 1000)
        outlet.flush()
    assert received == 3 * line
    assert outlet.dropped == 0


def test_a_line_longer_than_the_pipe_arrives_whole(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    outlet = Outlet(writer)
    line = bytes(range(256)) * 100
    outlet.write(line)
    received = b""
    while len(received) < len(line):
        received += os.read(reader, 5000)
        outlet.flush(wait=0.01)
    assert received == line


@pytest.mark.requirement("E4")
def test_a_closed_reader_is_counted_and_never_raised(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    outlet = Outlet(writer)
    os.close(reader)
    outlet.write(b"lost\n")
    outlet.write(b"lost as well\n")
    assert outlet.dropped == 2


@pytest.mark.requirement("E4")
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_is_counted_and_never_raised() -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    outlet = Outlet(descriptor)
    outlet.write(b"lost\n")
    os.close(descriptor)
    assert outlet.dropped == 1


def test_a_line_over_the_bound_is_dropped_alone(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    outlet = Outlet(writer, pending_limit=10)
    outlet.write(b"z" * 11)
    outlet.write(b"short\n")
    assert os.read(reader, 100) == b"short\n"
    assert outlet.dropped == 1
