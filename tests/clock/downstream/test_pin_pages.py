"""What is held back, on the control socket; and the way of an approval."""

from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from bridge.actor.mailbox import Mailbox
from bridge.approvals import WITHIN, Approvals
from bridge.contract.pins import Approval, Approved
from bridge.contract.upstream import Approve, UpstreamAddress, UpstreamMessage
from bridge.downstream.pin_pages import PinPages
from bridge.observe.status import HeldStatus, PinStatus
from kit.browser import Reply
from kit.requests import make_request

pytestmark = pytest.mark.requirement("C35")

READ = HeldStatus(
    kind="tools",
    key="read",
    why="changed",
    hash="b" * 64,
    text='{"name":"read"}',
    approved_hash="a" * 64,
    approved_text="{}",
)
WANTED = Approval(kind="tools", key="read", hash="b" * 64)


class Pages:
    """The pages over the mailboxes of two upstreams that are there."""

    def __init__(self) -> None:
        self.mailboxes = {
            name: Mailbox[UpstreamMessage](bound=8) for name in ("Far Away", "near")
        }
        self.approvals = Approvals(self._address_of)
        self._pages = PinPages(self.approvals)
        for name, held in (("Far Away", (READ,)), ("near", ())):
            self.approvals.publish(PinStatus(name=name, recorded=2, held=held))

    def _address_of(self, name: str) -> UpstreamAddress | None:
        mailbox = self.mailboxes.get(name)
        if mailbox is None:
            return None
        return UpstreamAddress(name=name, mailbox=mailbox, edition=3)

    async def ask(self, method: str, path: str, body: object = None) -> Reply:
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        answer = await self._pages.handle(
            make_request(path, method=method, body=b"" if body is None else data)
        )
        if answer is None:
            return Reply(0, {})
        return Reply(answer.status, dict(answer.headers), answer.body)

    async def answer(self, outcome: Approved) -> Approve:
        """Answer the next approval as the upstream's actor."""
        message = await self.mailboxes["Far Away"].receive()
        assert isinstance(message, Approve)
        message.reply.resolve(outcome)
        return message


def wish(**changes: Any) -> object:
    definition = {"kind": "tools", "key": "read", "hash": "b" * 64, **changes}
    return {"definitions": [definition]}


async def test_all_are_listed_without_texts_and_one_with_them() -> None:
    pages = Pages()
    listed = (await pages.ask("GET", "/pins")).json
    assert [each["name"] for each in listed["servers"]] == ["Far Away", "near"]
    (held,) = listed["servers"][0]["held"]
    assert (held["key"], held["why"], held["hash"]) == ("read", "changed", "b" * 64)
    assert (held["text"], held["approvedText"]) == ("", "")
    for name in ("Far Away", "far-away"):
        one = (await pages.ask("GET", f"/pins/{name}")).json
        assert one["held"][0]["text"] == '{"name":"read"}'
        assert one["held"][0]["approvedText"] == "{}"


async def test_an_approval_goes_to_the_upstream_and_its_answer_comes_back(
    autojump_clock: MockClock,
) -> None:
    pages = Pages()
    replies: list[Reply] = []
    outcome = Approved(approved=(WANTED,), trouble="the disk is full")

    async def approve() -> None:
        replies.append(await pages.ask("POST", "/pins/far-away/approve", wish()))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(approve)
        message = await pages.answer(outcome)
    assert message.wanted == (WANTED,)
    assert replies[0].json["approved"][0]["key"] == "read"
    assert replies[0].json["trouble"] == "the disk is full"


async def test_an_upstream_that_does_not_answer_is_not_waited_for(
    autojump_clock: MockClock,
) -> None:
    pages = Pages()
    began = trio.current_time()
    reply = await pages.ask("POST", "/pins/near/approve", wish())
    assert trio.current_time() - began == pytest.approx(WITHIN)
    assert "not written yet" in reply.json["trouble"]


async def test_an_upstream_that_is_being_restarted_says_so() -> None:
    pages = Pages()
    pages.mailboxes["near"].seal()
    reply = await pages.ask("POST", "/pins/near/approve", wish())
    assert (reply.json["approved"], len(reply.json["misfits"])) == ([], 1)
    assert "try again" in reply.json["trouble"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"\xff", wish(kind="resources"), wish(hash=7), {"definitions": {}}],
)
async def test_a_body_that_is_no_wish_approves_nothing(body: object) -> None:
    pages = Pages()
    reply = await pages.ask("POST", "/pins/near/approve", body)
    assert reply.status == 400
    assert pages.mailboxes["near"].take() is None


async def test_a_server_that_is_not_pinned_is_named_with_those_that_are() -> None:
    pages = Pages()
    for method, path in (("GET", "/pins/gone"), ("POST", "/pins/gone/approve")):
        reply = await pages.ask(method, path, wish())
        assert reply.status == 404
        assert "pinned servers are: Far Away, near" in reply.json["message"]
    pages.mailboxes.clear()
    reply = await pages.ask("GET", "/pins/near")
    assert "no server is pinned" in reply.json["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/pins", 405),
        ("POST", "/pins/near", 405),
        ("GET", "/pins/near/approve", 405),
        ("GET", "/pins/near/other", 0),
        ("GET", "/pins/", 0),
        ("GET", "/status", 0),
    ],
)
async def test_what_is_no_page_or_not_its_method_is_refused(
    method: str, path: str, status: int
) -> None:
    assert (await Pages().ask(method, path)).status == status


def test_an_edition_that_leaves_does_not_speak_for_its_successor() -> None:
    approvals = Pages().approvals
    approvals.publish(PinStatus(name="near", edition=2, recorded=5))
    approvals.publish(PinStatus(name="near", edition=1, recorded=3))
    assert approvals.pins()[1].recorded == 5
    approvals.publish(PinStatus(name="near", edition=3, pinned=False))
    assert [each.name for each in approvals.pins()] == ["Far Away"]


def test_a_server_that_was_removed_is_forgotten_and_may_come_back() -> None:
    pages = Pages()
    pages.approvals.publish(PinStatus(name="near", edition=7))
    mailbox = pages.mailboxes.pop("near")
    assert [each.name for each in pages.approvals.pins()] == ["Far Away"]
    pages.approvals.publish(PinStatus(name="near", edition=0, recorded=1))
    pages.mailboxes["near"] = mailbox
    assert pages.approvals.pins()[1].recorded == 1


def test_a_name_that_comes_back_is_shown_whatever_edition_it_had() -> None:
    mailbox = Mailbox[UpstreamMessage](bound=1)
    there: dict[str, UpstreamAddress] = {}
    approvals = Approvals(there.get)

    def say(edition: int, *, recorded: int) -> None:
        status = PinStatus(name="far", edition=edition, recorded=recorded)
        approvals.publish(status)

    there["far"] = UpstreamAddress(name="far", mailbox=mailbox, edition=3)
    say(3, recorded=1)
    say(2, recorded=2)  # it has a successor
    assert [each.recorded for each in approvals.pins()] == [1]
    del there["far"]
    there["far"] = UpstreamAddress(name="far", mailbox=mailbox, edition=0)
    say(0, recorded=3)
    assert [each.recorded for each in approvals.pins()] == [3]
