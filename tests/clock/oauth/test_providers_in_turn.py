"""The logins of many upstreams do not storm the provider they share."""

import random
from collections.abc import Callable, Generator, Mapping
from typing import Any, cast

import pytest
import structlog
import trio
from trio.testing import MockClock

from bridge.errors import ConnectFailed
from bridge.http import Fetcher
from bridge.http.fetcher import Fetched
from bridge.oauth.http import (
    HttpFailure,
    HttpReply,
    HttpRequest,
    HttpResponse,
    Step,
    Steps,
)
from bridge.observe.logging import Log
from bridge.upstream.dialogue import Dialogues
from bridge.upstream.turns import PROVIDER, Turns

TOKENS = "https://idp.example/token"
METADATA = "https://idp.example/.well-known/oauth-authorization-server"


class Provider:
    """A fetcher that notes when it was asked, and answers as told."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.answer: Callable[[], Fetched] = lambda: answer(200)

    async def fetch(self, _url: str, **_request: object) -> Fetched:
        self.asked.append(trio.current_time())
        return self.answer()


def answer(status: int, headers: Mapping[str, str] | None = None) -> Fetched:
    return Fetched(status=status, headers=headers or {}, body=b"{}")


def refused() -> Fetched:
    raise ConnectFailed("refused")


def shared(provider: Provider, count: int) -> list[Dialogues]:
    turns = Turns(rng=random.Random(5))
    log = Log(structlog.get_logger())
    fetcher = cast("Fetcher", provider)
    return [Dialogues(fetcher, turns, log=log) for _ in range(count)]


def steps(request: HttpRequest) -> Steps[HttpReply]:
    def run() -> Generator[HttpRequest, HttpReply, HttpReply]:
        return (yield request)

    return run()


def refresh() -> Steps[HttpReply]:
    body = b"grant_type=refresh_token&refresh_token=r"
    return steps(HttpRequest(step=Step.TOKEN, url=TOKENS, method="POST", body=body))


def metadata() -> Steps[HttpReply]:
    return steps(HttpRequest(step=Step.SERVER_METADATA, url=METADATA))


async def ask_all(dialogues: list[Dialogues]) -> list[HttpReply]:
    replies = list[HttpReply]()

    async def ask(one: Dialogues) -> None:
        replies.append(await one.perform(refresh()))

    async with trio.open_nursery() as nursery:
        for one in dialogues:
            nursery.start_soon(ask, one)
    return replies


async def test_a_provider_that_is_down_gets_a_bounded_rate(
    autojump_clock: MockClock,
) -> None:
    provider = Provider()
    provider.answer = refused
    replies = await ask_all(shared(provider, 200))
    assert sum(at == 0.0 for at in provider.asked) == PROVIDER.burst
    assert provider.asked[-1] <= 5.0  # who would wait longer tries again later
    assert len(provider.asked) <= PROVIDER.burst + 5 / PROVIDER.every
    assert len(replies) == 200
    unasked = [r for r in replies if isinstance(r, HttpFailure) and r.retry_after]
    assert len(unasked) == 200 - len(provider.asked)


async def test_a_provider_that_answers_is_not_slowed_down(
    autojump_clock: MockClock,
) -> None:
    provider = Provider()
    replies = await ask_all(shared(provider, 200))
    assert all(isinstance(reply, HttpResponse) for reply in replies)
    assert provider.asked[-1] == 0.0


@pytest.mark.parametrize("status", [429, 503])
async def test_one_that_asks_for_patience_is_asked_by_nobody_until_then(
    autojump_clock: MockClock, status: int
) -> None:
    provider = Provider()
    first, second = shared(provider, 2)
    provider.answer = lambda: answer(status, {"retry-after": "60"})
    assert isinstance(await first.perform(refresh()), HttpResponse)
    await trio.sleep(20)
    for ask in (refresh, metadata):
        reply = await second.perform(ask())
        assert isinstance(reply, HttpFailure)
        assert reply.retry_after == pytest.approx(40)
        assert "idp.example:443 asks for patience" in reply.reason
    assert len(provider.asked) == 1
    await trio.sleep(40)
    provider.answer = lambda: answer(200)
    assert isinstance(await second.perform(metadata()), HttpResponse)


@pytest.mark.parametrize(
    "body",
    [
        b"grant_type=authorization_code&code=c",
        b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code",
    ],
)
async def test_what_a_person_waits_for_does_not_queue(
    autojump_clock: MockClock, body: bytes
) -> None:
    provider = Provider()
    (one,) = shared(provider, 1)
    provider.answer = lambda: answer(503, {"retry-after": "60"})
    await one.perform(refresh())
    provider.answer = lambda: answer(200)
    request = HttpRequest(step=Step.TOKEN, url=TOKENS, method="POST", body=body)
    reply: Any = await one.perform(steps(request))
    assert reply.status == 200


async def test_a_request_that_is_cut_off_gives_its_turn_back(
    autojump_clock: MockClock,
) -> None:
    provider = Provider()
    dialogues = shared(provider, 100)
    provider.answer = refused
    for one in dialogues[: PROVIDER.burst]:
        await one.perform(refresh())
    with trio.move_on_after(0.01):
        await dialogues[-2].perform(refresh())
    assert len(provider.asked) == PROVIDER.burst
    await dialogues[-1].perform(refresh())
    assert provider.asked[-1] <= 2 * PROVIDER.every
