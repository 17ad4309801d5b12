"""What comes in is a message, junk, or an answer nobody can read."""

from collections.abc import Iterable
from contextlib import suppress

import pytest
import trio

from bridge.errors import AnswerUnreadable, LinkLost
from bridge.wire.inbox import Inbox
from bridge.wire.intake import JUNK_IN_A_ROW, Intake
from bridge.wire.link import FrameRefused, LinkEvent, Received, RequestFailed


async def fed(intake: Intake, inbox: Inbox, messages: Iterable[bytes]) -> None:
    for message in messages:
        await intake.take(message)
    inbox.fail(LinkLost("the end"))


async def events_of(*messages: bytes) -> list[LinkEvent]:
    return (await taken(messages))[0]


async def taken(messages: Iterable[bytes]) -> tuple[list[LinkEvent], Intake]:
    """What the actor receives of these messages."""
    inbox = Inbox()
    intake = Intake(inbox)
    events: list[LinkEvent] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fed, intake, inbox, messages)
        with suppress(LinkLost):
            while True:
                events.append(await inbox.receive())
    return events, intake


@pytest.mark.requirement("C37")
@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (b'{"jsonrpc":"2.0","id":7,"result":NaN}', "not_json"),
        (b'{"jsonrpc":"2.0","id":7,"result":"\xff"}', "not_json"),
        (b'{"jsonrpc":"2.0","id":7,"result":' + b"[" * 100_000, "not_json"),
        (b'{"jsonrpc":"2.0","id":7,"result":1,"error":{}}', "not_a_message"),
    ],
)
async def test_an_answer_nobody_can_read_fails_its_request_at_once(
    message: bytes, kind: str
) -> None:
    refused, failed = await events_of(message)
    assert refused == FrameRefused(kind=kind, size=len(message))
    assert isinstance(failed, RequestFailed)
    assert failed.upstream_id == 7
    assert isinstance(failed.error, AnswerUnreadable)


@pytest.mark.requirement("C1")
async def test_junk_is_only_refused() -> None:
    found = await events_of(b"starting...", b"{}", b'{"jsonrpc":"2.0","method":NaN}')
    kinds = [event.kind for event in found if isinstance(event, FrameRefused)]
    assert kinds == ["not_json", "not_a_message", "not_json"]


async def test_a_message_is_handed_on() -> None:
    (event,) = await events_of(b'{"jsonrpc":"2.0","id":7,"result":{}}')
    assert isinstance(event, Received)


@pytest.mark.requirement("C1")
async def test_unreadable_answers_without_end_are_junk_without_end() -> None:
    answer = b'{"jsonrpc":"2.0","id":7,"result":NaN}'
    _, patient = await taken([answer] * (JUNK_IN_A_ROW - 1))
    assert not patient.hopeless
    _, hopeless = await taken([answer] * JUNK_IN_A_ROW)
    assert hopeless.hopeless
