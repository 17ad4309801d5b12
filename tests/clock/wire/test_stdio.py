from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from bridge.errors import ConnectFailed, LinkBusy, LinkLost, LinkTimeout
from bridge.observe import catalogue as events
from bridge.protocol.frame import decode
from bridge.wire.link import FrameRefused, Link, LinkEvent
from bridge.wire.stdio import Command, StdioTransport
from kit.links import answer_to, ask, lost
from kit.processes import Child, ChildMain, SimulatedProcesses
from kit.recorded import RecordedLog

ANSWER = b'{"jsonrpc":"2.0","id":1,"result":{}}'


async def obedient(child: Child) -> int:
    """Answers every request with an empty result until its input ends."""
    while heard := await child.hear():
        for line in heard.splitlines():
            frame = decode(line)
            await child.say(b'{"jsonrpc":"2.0","id":%d,"result":{}}' % frame.id)
    return 0


async def silent(child: Child) -> int:
    while await child.hear():
        pass
    return 0


class World:
    def __init__(self, processes: SimulatedProcesses) -> None:
        self.processes = processes
        self.log = RecordedLog()
        self.transport = StdioTransport(
            Command(command="server", args=("-v",), env={"A": "1"}),
            name="time",
            processes=processes,
            log=self.log,
            frame_bytes=1000,
        )

    def stderr_lines(self) -> list[object]:
        return [fields["line"] for fields in self.log.named(events.UPSTREAM_STDERR)]


@asynccontextmanager
async def world(main: ChildMain) -> AsyncGenerator[World, None]:
    async with trio.open_nursery() as nursery:
        yield World(SimulatedProcesses(nursery, main))
        nursery.cancel_scope.cancel()


def is_refused(event: LinkEvent) -> bool:
    return isinstance(event, FrameRefused)


async def test_a_request_is_written_and_its_answer_read(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with world(obedient) as w, w.transport.open() as link:
        outgoing = ask(link, "ping", upstream_id=1)
        assert not outgoing.written
        assert (await answer_to(link, 1)).id == 1
        assert outgoing.written
    child = w.processes.started[0].child
    assert child.command == ("server", "-v")
    assert child.env == {"A": "1"}


async def test_requests_that_wait_leave_in_one_write(
    autojump_clock: trio.testing.MockClock,
) -> None:
    heard: list[bytes] = []

    async def main(child: Child) -> int:
        heard.append(await child.hear())
        return 0

    async with world(main) as w, w.transport.open() as link:
        for number in range(5):
            ask(link, "ping", upstream_id=number)
        await lost(link)
    assert len(heard[0].splitlines()) == 5


@pytest.mark.requirement("C1")
async def test_junk_on_stdout_is_reported_and_messages_still_come_through(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def main(child: Child) -> int:
        await child.say(b"Server ready!", b"\x00\xff", b"", b"[1]", b"{}")
        await child.say(b"\xef\xbb\xbf" + ANSWER + b"\r")
        return await silent(child)

    async with world(main) as w, w.transport.open() as link:
        kinds: list[str] = []
        for _ in range(4):
            event = await link.receive()
            assert isinstance(event, FrameRefused)
            kinds.append(event.kind)
        assert kinds == ["not_json", "not_json", "not_a_message", "not_a_message"]
        assert (await answer_to(link, 1)).id == 1


@pytest.mark.requirement("C1")
async def test_a_child_that_prints_only_junk_loses_its_link(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def main(child: Child) -> int:
        while True:
            await child.say(b"tick")
            await trio.sleep(0.01)

    async with world(main) as w, w.transport.open() as link:
        assert "prints text" in (await lost(link)).public


@pytest.mark.requirement("C2")
async def test_an_endless_line_loses_the_link(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def main(child: Child) -> int:
        await child.say(ANSWER)
        while True:
            await child.stdout.send_all(b"x" * 100)
            await trio.sleep(0.01)

    async with world(main) as w, w.transport.open() as link:
        assert (await answer_to(link, 1)).id == 1
        error = await lost(link)
    assert isinstance(error, LinkLost)
    assert "longer than 1000 bytes" in error.public


@pytest.mark.requirement("C5")
async def test_the_end_of_the_child_is_named_and_its_last_words_are_for_the_log(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def main(child: Child) -> int:
        await child.stderr.send_all(b"loading\nno such \x1b[31mfile\n\n")
        await child.say(ANSWER)
        return 3

    async with world(main) as w, w.transport.open() as link:
        assert (await answer_to(link, 1)).id == 1
        error = await lost(link)
        with pytest.raises(LinkLost):
            ask(link, "ping", upstream_id=2)
        with pytest.raises(LinkLost):
            await link.receive()
    assert error.public == "the process of 'time' ended with status 3"
    assert w.log.named(events.UPSTREAM_LAST_WORDS) == [{"line": "no such [31mfile"}]


async def test_a_child_ended_by_a_signal_is_described_so(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with world(silent) as w, w.transport.open() as link:
        await trio.testing.wait_all_tasks_blocked()
        w.processes.started[0].kill()
        assert "ended by signal 9" in (await lost(link)).public


@pytest.mark.requirement("C7")
async def test_a_child_that_closes_its_output_but_lives_loses_the_link(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def main(child: Child) -> int:
        child.stdout.close()
        return await silent(child)

    async with world(main) as w, w.transport.open() as link:
        assert "closed its output" in (await lost(link)).public


@pytest.mark.requirement("C7")
async def test_a_child_that_closes_its_input_but_lives_loses_the_link(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def main(child: Child) -> int:
        child.stdin.close()
        await trio.sleep_forever()
        return 0

    async with world(main) as w, w.transport.open() as link:
        ask(link, "ping", upstream_id=1)
        assert "cannot be written to" in (await lost(link)).public


@pytest.mark.requirement("C7")
async def test_a_write_nobody_reads_kills_the_link_after_its_deadline(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with world(silent) as w, w.transport.open() as link:
        pipe = w.processes.started[0].child.outside_in
        pipe.send_all_hook = trio.sleep_forever
        began = trio.current_time()
        ask(link, "ping", upstream_id=1)
        error = await lost(link)
    assert isinstance(error, LinkTimeout)
    assert trio.current_time() - began >= 30


async def test_a_full_queue_refuses_the_next_frame(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with world(silent) as w, w.transport.open() as link:
        for number in range(256):
            ask(link, "ping", upstream_id=number)
        with pytest.raises(LinkBusy):
            ask(link, "ping", upstream_id=256)


async def test_a_queue_of_too_many_bytes_refuses_the_next_frame(
    autojump_clock: trio.testing.MockClock,
) -> None:
    big = "x" * 20_000_000
    async with world(silent) as w, w.transport.open() as link:
        ask(link, "a", big, upstream_id=1)
        with pytest.raises(LinkBusy):
            ask(link, "b", big, upstream_id=2)


async def test_a_command_that_cannot_be_started_fails_to_connect(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with world(silent) as w:
        w.processes.refuse = FileNotFoundError(2, "No such file or directory")
        with pytest.raises(ConnectFailed, match="'server' for 'time': No such file"):
            async with w.transport.open():
                pass


@pytest.mark.requirement("R63", "C6")
async def test_a_polite_child_is_stopped_by_the_end_of_its_input_alone(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with world(obedient) as w:
        began = trio.current_time()
        async with w.transport.open():
            pass
        process = w.processes.started[0]
        assert trio.current_time() == began
        assert process.status == 0


@pytest.mark.requirement("R63", "C6")
async def test_a_child_that_ignores_the_end_of_its_input_is_terminated(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def main(child: Child) -> int:
        await trio.sleep_forever()
        return 0

    async with world(main) as w:
        began = trio.current_time()
        async with w.transport.open():
            pass
        assert w.processes.started[0].status == -15
        assert trio.current_time() - began == pytest.approx(3)


@pytest.mark.requirement("R63", "C6")
async def test_a_child_deaf_to_sigterm_is_killed_though_the_opener_was_cancelled(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def main(child: Child) -> int:
        child.deaf = True
        await trio.sleep_forever()
        return 0

    async with world(main) as w:
        began = trio.current_time()
        with trio.move_on_after(1):
            async with w.transport.open():
                await trio.sleep_forever()
        assert w.processes.started[0].status == -9
        assert trio.current_time() - began == pytest.approx(7)


@pytest.mark.requirement("C6")
async def test_a_grandchild_that_holds_stdout_does_not_hide_the_end(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def main(child: Child) -> int:
        child.grandchild = True
        return 1

    async with world(main) as w:
        began = trio.current_time()
        async with w.transport.open() as link:
            assert "ended with status 1" in (await lost(link)).public
        assert trio.current_time() - began < 3
        assert w.processes.started[0].signals[-1] == 9


@pytest.mark.requirement("C3", "R148")
async def test_a_flood_on_stderr_is_drained_and_logged_in_part(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def main(child: Child) -> int:
        for number in range(500):
            await child.stderr.send_all(b"line %d\n" % number)
        await trio.sleep(1)
        await child.stderr.send_all(b"later\n" + b"y" * 10_000)
        return 0

    async with world(main) as w, w.transport.open() as link:
        await lost(link)
    lines = w.stderr_lines()
    assert lines[:100] == [f"line {number}" for number in range(100)]
    assert lines[100] == "later"
    assert w.log.named(events.UPSTREAM_STDERR)[100]["suppressed"] == 400
    assert lines[101:] == ["y" * 4096]


@pytest.mark.requirement("C3")
async def test_a_flood_of_tiny_lines_on_stderr_is_read_in_part_to_its_last_words(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def main(child: Child) -> int:
        for _ in range(100):
            await child.stderr.send_all(b"x\n" * 5_000)
        await child.stderr.send_all(b"the reason\n")
        return 1

    async with world(main) as w, w.transport.open() as link:
        await lost(link)
    (last_words,) = w.log.named(events.UPSTREAM_LAST_WORDS)
    assert last_words["line"] == "the reason"
    told = w.log.named(events.UPSTREAM_STDERR)
    assert 100 <= len(told) <= 150


async def test_an_error_of_the_opener_leaves_unwrapped(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with world(silent) as w:
        with pytest.raises(ZeroDivisionError):
            async with w.transport.open() as link:
                _use(link)
    assert w.processes.started[0].status == 0


def _use(link: Link) -> None:
    link.cancel(1)
    link.agreed("2025-11-25")
    raise ZeroDivisionError
