"""The key cache on a virtual clock: rotation, outages, floods (A8, A40 to A44)."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest
import structlog
import trio
from structlog.testing import LogCapture
from trio.testing import MockClock, wait_all_tasks_blocked

from bridge.errors import KeysUnavailable
from bridge.identity.keys import KeyCache, KeyTimes
from bridge.identity.keyset import MAX_DOCUMENT, KeySnapshot
from bridge.observe.logging import Log
from kit.issuer import (
    ISSUER,
    Fault,
    Issuer,
    answering,
    hanging,
    key_set,
    make_key,
    refusing,
)

OLD = make_key("old")
NEW = make_key("new")
GUESS = f"{ISSUER}/.well-known/jwks.json"
RFC_8414 = f"{ISSUER}/.well-known/oauth-authorization-server"


class World:
    """A cache, its issuer, and what it logged."""

    def __init__(self, issuer: Issuer, *, jwks_url: str = "") -> None:
        self.issuer = issuer
        self.said = LogCapture()
        logger = structlog.wrap_logger(None, processors=[self.said])
        log = Log(logger, strict=True)
        self.cache = KeyCache(issuer.url, jwks_url, fetch=issuer.fetch, log=log)

    def events(self, name: str) -> list[object]:
        return [entry for entry in self.said.entries if entry["event"] == name]

    def kids(self) -> set[str | None]:
        return {key.kid for key in self.cache.snapshot.keys}

    @property
    def key_requests(self) -> int:
        return self.issuer.asked(self.issuer.jwks_url)


@asynccontextmanager
async def running(world: World) -> AsyncGenerator[World]:
    stopping = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.cache.run, stopping)
        await wait_all_tasks_blocked()
        yield world
        stopping.set()


async def timed(world: World, kid: str) -> tuple[KeySnapshot, float]:
    started = trio.current_time()
    snapshot = await world.cache.lookup(kid)
    return snapshot, trio.current_time() - started


@pytest.mark.requirement("R33", "R29")
async def test_keys_and_the_exact_issuer_are_discovered(
    autojump_clock: MockClock,
) -> None:
    async with running(World(Issuer(OLD, exact=f"{ISSUER}/"))) as world:
        assert world.kids() == {"old"}
        assert world.cache.snapshot.issuer == f"{ISSUER}/"
        assert world.cache.issuer == f"{ISSUER}/"
        assert world.issuer.requests == [
            world.issuer.metadata_url,
            world.issuer.jwks_url,
        ]


@pytest.mark.requirement("E10", "A42")
async def test_the_status_says_how_old_the_keys_are_and_what_went_wrong(
    autojump_clock: MockClock,
) -> None:
    issuer = Issuer(OLD)
    assert World(issuer).cache.status.state == "reading"
    async with running(World(issuer)) as world:
        good = world.cache.status
        assert (good.state, good.keys, good.last_error) == ("valid", 1, "")
        assert good.confirmed_at == trio.current_time()
        issuer.faults[issuer.jwks_url] = refusing
        issuer.faults[issuer.metadata_url] = refusing
        await trio.sleep(301)
        stale = world.cache.status
        assert (stale.state, stale.keys) == ("stale", 1)
        assert stale.confirmed_at == good.confirmed_at
        assert stale.last_error
        assert stale.retry_at is not None
        assert trio.current_time() < stale.retry_at <= trio.current_time() + 60
        await trio.sleep(7 * 3600)
        assert (world.cache.status.state, world.cache.status.keys) == ("missing", 0)


@pytest.mark.requirement("R34", "R29")
async def test_a_configured_address_is_used_and_the_issuer_still_learnt(
    autojump_clock: MockClock,
) -> None:
    issuer = Issuer(OLD, exact=f"{ISSUER}/", jwks_path="/v1/keys")
    issuer.metadata["jwks_uri"] = f"{ISSUER}/elsewhere"
    async with running(World(issuer, jwks_url=issuer.jwks_url)) as world:
        assert world.kids() == {"old"}
        assert world.cache.issuer == f"{ISSUER}/"
        assert issuer.requests == [issuer.jwks_url, issuer.metadata_url]


@pytest.mark.requirement("R29")
async def test_without_metadata_a_configured_address_is_enough(
    autojump_clock: MockClock,
) -> None:
    issuer = Issuer(OLD)
    issuer.faults[issuer.metadata_url] = refusing
    async with running(World(issuer, jwks_url=issuer.jwks_url)) as world:
        assert world.kids() == {"old"}
        assert world.cache.snapshot.issuer is None
        assert world.cache.issuer == ISSUER
        assert len(world.events("identity.discovery_failed")) == 2


@pytest.mark.requirement("R33")
async def test_the_usual_place_is_guessed_last_of_all(
    autojump_clock: MockClock,
) -> None:
    issuer = Issuer(OLD, jwks_path="/.well-known/jwks.json")
    issuer.faults[issuer.metadata_url] = answering(b"not found", 404)
    async with running(World(issuer)) as world:
        assert world.kids() == {"old"}
        assert issuer.requests == [issuer.metadata_url, RFC_8414, GUESS]
        await trio.sleep(301)
        assert issuer.requests[3:] == [issuer.metadata_url, RFC_8414, GUESS]


@pytest.mark.requirement("R33")
async def test_metadata_of_rfc_8414_serves_as_well(autojump_clock: MockClock) -> None:
    issuer = Issuer(OLD)
    issuer.faults[issuer.metadata_url] = answering(b"<html>")
    document = b'{"issuer":"%s","jwks_uri":"%s"}'
    found = document % (ISSUER.encode(), issuer.jwks_url.encode())
    issuer.faults[RFC_8414] = answering(found)
    async with running(World(issuer)) as world:
        assert world.kids() == {"old"}
        assert world.cache.snapshot.issuer == ISSUER


@pytest.mark.requirement("A43")
async def test_metadata_of_another_issuer_is_not_followed(
    autojump_clock: MockClock,
) -> None:
    issuer = Issuer(OLD)
    issuer.metadata["issuer"] = "https://evil.example"
    async with running(World(issuer)) as world:
        assert world.kids() == set()
        assert issuer.jwks_url not in issuer.requests


@pytest.mark.requirement("R42", "A40")
async def test_the_set_is_renewed_when_its_lifetime_is_over(
    autojump_clock: MockClock,
) -> None:
    async with running(World(Issuer(OLD))) as world:
        world.issuer.keys = [NEW]
        await trio.sleep(299)
        assert world.kids() == {"old"}
        await trio.sleep(2)
        assert world.kids() == {"new"}
        await trio.sleep(3600)
        assert world.key_requests == 14
        assert world.issuer.asked(world.issuer.metadata_url) == 2


@pytest.mark.requirement("A40")
async def test_a_rotated_key_works_within_the_cool_down_and_one_request(
    autojump_clock: MockClock,
) -> None:
    async with running(World(Issuer(OLD))) as world:
        world.issuer.latency = 1.0
        world.issuer.keys = [OLD, NEW]
        await trio.sleep(1)
        assert not (await world.cache.lookup("new")).named("new")
        await trio.sleep(59)
        snapshot, seconds = await timed(world, "new")
        assert snapshot.named("new")
        assert snapshot.named("old")
        assert seconds == pytest.approx(1.0)


@pytest.mark.requirement("A8", "R42")
async def test_a_flood_of_unknown_keys_costs_one_request_per_cool_down(
    autojump_clock: MockClock,
) -> None:
    async with running(World(Issuer(OLD))) as world:
        world.issuer.latency = 0.5
        await trio.sleep(61)
        async with trio.open_nursery() as nursery:
            for number in range(300):
                nursery.start_soon(world.cache.lookup, f"unknown-{number}")
        assert world.key_requests == 2
        for number in range(300):
            await world.cache.lookup(f"unknown-{number}")
            await trio.sleep(0.1)
        assert world.key_requests == 2


@pytest.mark.requirement("A8", "A41")
async def test_a_known_key_never_waits(autojump_clock: MockClock) -> None:
    async with running(World(Issuer(OLD))) as world:
        world.issuer.faults[world.issuer.jwks_url] = hanging
        await trio.sleep(301)
        assert (await timed(world, "old"))[1] == 0
        assert world.key_requests == 2


FAULTS: dict[str, Callable[[], Fault]] = {
    "refused": lambda: refusing,
    "hanging": lambda: hanging,
    "500": lambda: answering(key_set(NEW), 500),
    "redirect": lambda: answering(key_set(NEW), 302),
    "no content": lambda: answering(b"", 204),
    "HTML": lambda: answering(b"<html>busy</html>"),
    "truncated": lambda: answering(key_set(NEW)[:-9]),
    "huge": lambda: answering(key_set(NEW) + b" " * MAX_DOCUMENT),
    "no keys": lambda: answering(b'{"keys":[]}'),
    "no usable key": lambda: answering(key_set(NEW.public(use="enc"))),
}


@pytest.mark.requirement("A41", "A42", "A43", "R42")
@pytest.mark.parametrize("name", FAULTS)
async def test_a_bad_answer_never_replaces_a_good_set(
    name: str, autojump_clock: MockClock
) -> None:
    async with running(World(Issuer(OLD))) as world:
        world.issuer.faults[world.issuer.jwks_url] = FAULTS[name]()
        await trio.sleep(400)
        assert world.kids() == {"old"}
        assert world.cache.snapshot.issuer == ISSUER
        assert world.events("identity.keys_failed")
        snapshot, seconds = await timed(world, "unknown")
        assert not snapshot.named("unknown")
        assert seconds <= 5
        world.issuer.faults.clear()
        world.issuer.keys = [NEW]
        await trio.sleep(80)
        assert world.kids() == {"new"}


@pytest.mark.requirement("A42")
async def test_one_unusable_key_among_good_ones_is_skipped(
    autojump_clock: MockClock,
) -> None:
    issuer = Issuer(OLD)
    mixed = key_set(OLD, NEW.public(use="enc"))
    issuer.faults[issuer.jwks_url] = answering(mixed)
    async with running(World(issuer)) as world:
        assert world.kids() == {"old"}
        assert world.events("identity.keys_refreshed") == [
            {
                "event": "identity.keys_refreshed",
                "log_level": "info",
                "keys": 1,
                "skipped": 1,
                "issuer": ISSUER,
            }
        ]


@pytest.mark.requirement("R42", "A41")
async def test_an_outage_is_survived_for_a_bounded_time(
    autojump_clock: MockClock,
) -> None:
    limit = KeyTimes().stale_limit
    async with running(World(Issuer(OLD))) as world:
        world.issuer.faults[world.issuer.jwks_url] = refusing
        world.issuer.faults[world.issuer.metadata_url] = refusing
        await trio.sleep(limit - 1)
        assert world.kids() == {"old"}
        await trio.sleep(62)
        assert world.kids() == set()
        with pytest.raises(KeysUnavailable):
            await world.cache.lookup("old")
        world.issuer.faults.clear()
        await trio.sleep(61)
        assert world.kids() == {"old"}


@pytest.mark.requirement("A41")
async def test_an_outage_is_asked_about_at_most_once_per_cool_down(
    autojump_clock: MockClock,
) -> None:
    async with running(World(Issuer(OLD))) as world:
        world.issuer.faults[world.issuer.jwks_url] = refusing
        await trio.sleep(300 + 3600)
        assert world.key_requests < 70


@pytest.mark.requirement("A44")
async def test_a_start_without_the_issuer_recovers_by_itself(
    autojump_clock: MockClock,
) -> None:
    issuer = Issuer(OLD)
    issuer.faults[issuer.metadata_url] = refusing
    issuer.faults[issuer.jwks_url] = refusing
    async with running(World(issuer)) as world:
        started = trio.current_time()
        with pytest.raises(KeysUnavailable):
            await world.cache.lookup("old")
        assert trio.current_time() == started
        issuer.faults.clear()
        await trio.sleep(3)
        assert (await world.cache.lookup("old")).named("old")


@pytest.mark.requirement("A44")
async def test_the_first_request_waits_for_the_first_fetch(
    autojump_clock: MockClock,
) -> None:
    issuer = Issuer(OLD)
    issuer.latency = 1.5
    async with running(World(issuer)) as world:
        snapshot, seconds = await timed(world, "old")
        assert snapshot.named("old")
        assert seconds == pytest.approx(3.0)


@pytest.mark.requirement("A41", "A44")
async def test_waiting_for_a_silent_issuer_is_bounded(
    autojump_clock: MockClock,
) -> None:
    issuer = Issuer(OLD)
    issuer.faults[issuer.metadata_url] = hanging
    async with running(World(issuer)) as world:
        with trio.fail_after(5.1), pytest.raises(KeysUnavailable):
            await world.cache.lookup("old")


@pytest.mark.requirement("A40")
async def test_keys_that_moved_are_found_again(autojump_clock: MockClock) -> None:
    async with running(World(Issuer(OLD))) as world:
        moved = f"{ISSUER}/moved"
        world.issuer.faults[world.issuer.jwks_url] = answering(b"gone", 410)
        world.issuer.faults[moved] = answering(key_set(NEW))
        world.issuer.metadata["jwks_uri"] = moved
        await trio.sleep(303)
        assert world.kids() == {"new"}


async def test_the_cache_ends_when_it_is_told_to(autojump_clock: MockClock) -> None:
    issuer = Issuer(OLD)
    issuer.faults[issuer.metadata_url] = hanging
    with trio.fail_after(1):
        async with running(World(issuer)):
            pass
