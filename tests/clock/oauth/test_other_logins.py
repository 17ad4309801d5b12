"""Logins without a browser, with other identities, and at providers that move."""

from collections.abc import Callable
from typing import Any

import pytest
import trio
from joserfc.jwk import ECKey
from trio.testing import MockClock

from bridge.observe import catalogue as events
from kit.login_room import LoginRoom, login_room
from kit.private_keys import P256_PEM
from kit.protected import ProtectedServer
from kit.provider import StrictProvider
from kit.provider_clients import KnownClient
from kit.provider_rules import Rules

HOUR = 3600.0
DOCUMENT = "https://bridge.example/oauth/client-metadata.json"


def with_secret(room: LoginRoom) -> None:
    room.provider.clients.add(
        KnownClient(client_id="us", auth_method="client_secret_basic", secret="hüsh!!")
    )


def with_key(room: LoginRoom) -> None:
    public = ECKey.import_key(P256_PEM)
    room.provider.clients.add(
        KnownClient(client_id="us", auth_method="private_key_jwt", public_key=public)
    )


@pytest.mark.parametrize(
    ("known", "oauth"),
    [
        (with_secret, {"client_secret": "hüsh!!"}),
        (
            with_key,
            {
                "private_key": P256_PEM,
                "token_endpoint_auth_method": "private_key_jwt",
            },
        ),
    ],
    ids=["secret", "key"],
)
@pytest.mark.requirement("R88")
async def test_a_machine_logs_in_and_renews_without_anybody(
    autojump_clock: MockClock,
    known: Callable[[LoginRoom], None],
    oauth: dict[str, Any],
) -> None:
    grant = {"grant": "client_credentials", "client_id": "us", **oauth}
    async with login_room(oauth=grant) as room:
        known(room)
        async with room.running() as upstream:
            await upstream.reach("ready")
            assert await upstream.keep_calling(every=300, until=5 * HOUR) == []
            room.provider.tokens.reject_access()
            await upstream.echo()
        async with room.running() as upstream:
            await trio.sleep(2 * HOUR)
            await upstream.echo()
        assert not room.browser.opened
        assert room.provider.counts.client_credentials <= 12


async def test_a_machine_whose_secret_is_wrong_says_so_once(
    autojump_clock: MockClock,
) -> None:
    oauth = {
        "grant": "client_credentials",
        "client_id": "us",
        "client_secret": "not the one",
    }
    async with login_room(oauth=oauth) as room:
        with_secret(room)
        async with room.running() as upstream:
            await upstream.reach("awaiting_login")
            before = room.requests
            await trio.sleep(HOUR)
            assert room.requests == before
            (failed,) = room.said(events.OAUTH_LOGIN_FAILED)
            assert "oauth.client_secret" in str(failed["advice"])
        assert room.provider.breaches.rules == ["client.secret"]
        room.provider.breaches.clear()


async def test_a_login_by_device_code_waits_for_the_person_and_shows_the_code(
    autojump_clock: MockClock,
) -> None:
    async with login_room(oauth={"grant": "device_code"}) as room:
        async with room.running() as upstream:
            pending = await upstream.reach_login("login_pending")
            assert pending.login_url == "http://127.0.0.1:9400/activate"
            assert room.said(events.OAUTH_DEVICE_CODE)
            await trio.sleep(60)
            room.provider.devices.slow_down()
            room.provider.devices.approve(pending.user_code)
            await upstream.reach("ready")
            assert await upstream.keep_calling(every=300, until=3 * HOUR) == []
        assert not room.browser.opened
        assert room.provider.counts.logins == 1


@pytest.mark.requirement("R88")
async def test_a_provider_that_reads_metadata_documents_needs_no_registration(
    autojump_clock: MockClock,
) -> None:
    rules = Rules(metadata_documents=True)
    oauth = {"client_metadata_url": DOCUMENT}
    async with login_room(rules=rules, oauth=oauth) as room:
        room.provider.clients.documents[DOCUMENT] = {
            "client_id": DOCUMENT,
            "redirect_uris": ["http://127.0.0.1:8090/oauth/callback"],
        }
        async with room.running() as upstream:
            await upstream.reach("ready")
            await upstream.echo()
        assert room.provider.counts.registrations == 0
        assert DOCUMENT in room.provider.clients.known


@pytest.mark.requirement("D4")
async def test_a_server_that_moves_to_another_provider_is_logged_in_there(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room, room.running() as upstream:
        await upstream.reach("ready")
        await upstream.echo()
        await trio.sleep(60)
        moved = StrictProvider(
            "http://127.0.0.1:9401", breaches=room.provider.breaches, seed=2
        )
        await moved.serve(room.network, room.nursery)
        room.server.moves_to(moved)
        await upstream.call()
        await upstream.reach("ready")
        await trio.sleep(60)
        await upstream.echo()
        assert moved.counts.logins == 1
        assert upstream.login is not None
        assert upstream.login.issuer == moved.issuer


@pytest.mark.requirement("R68")
async def test_a_server_of_the_older_revision_is_its_own_provider(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room:
        old = StrictProvider(
            "http://127.0.0.1:9600",
            breaches=room.provider.breaches,
            rules=Rules(resource_required=False),
        )
        server = ProtectedServer(old, url="http://127.0.0.1:9600/mcp")
        server.door.challenge = "none"
        server.door.metadata_at = frozenset()
        await server.serve(room.network, room.nursery)
        room.turn_to(server)
        async with room.running() as upstream:
            await upstream.reach("ready")
            await upstream.echo()
        assert old.counts.logins == 1
