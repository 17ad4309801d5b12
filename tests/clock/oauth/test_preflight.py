"""The way to a login: what is asked first, whose certificate counts, what is logged."""

import pytest
from trio.testing import MockClock

from bridge.config.model import BridgeConfig, OAuthConfig, UpstreamConfig
from bridge.http import Fetcher, HttpClients
from bridge.oauth.address import http_url
from bridge.observe import catalogue as events
from bridge.upstream.file_store import open_store
from bridge.upstream.login import Reception
from bridge.upstream.open_account import open_account
from kit.login_room import HOME, LoginRoom, login_room


@pytest.mark.requirement("R77")
@pytest.mark.parametrize(
    ("transport", "method"), [("sse", "GET"), ("streamablehttp", "POST")]
)
async def test_the_server_is_asked_as_its_transport_wants_it(
    autojump_clock: MockClock, transport: str, method: str
) -> None:
    async with login_room(transport=transport) as room, room.running() as upstream:
        await upstream.reach("ready")
        first = room.server.server.asked[0]
        assert first.method == method
        assert "authorization" not in first.headers
        if method == "POST":
            assert first.message["method"] == "initialize"


@pytest.mark.requirement("R146")
async def test_the_log_tells_the_whole_way_at_debug(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room, room.running() as upstream:
        await upstream.reach("ready")
        asked = room.said(events.OAUTH_DISCOVERY_TRIED)
        assert [each["status"] for each in asked] == ["200", "200"]
        steps = [each["step"] for each in room.said(events.OAUTH_REQUESTED)]
        assert steps == ["registration", "token"]
        assert len(room.said(events.OAUTH_TOKENS_SAVED)) == 1
        assert len(room.said(events.OAUTH_CALLBACK_OPENED)) == 1


@pytest.mark.requirement("P7", "R104")
async def test_a_token_goes_to_its_own_server_and_nowhere_else(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room, room.running() as upstream:
        await upstream.reach("ready")
        await upstream.echo()
        bearers = [
            each.headers["authorization"]
            for each in room.provider.server.asked
            if each.headers.get("authorization", "").startswith("Bearer")
        ]
        assert bearers == []
        assert set(room.server.traffic.requests_of.values()) != {0}
        metadata = [
            each for each in room.server.server.asked if "well-known" in each.target
        ]
        assert all("authorization" not in each.headers for each in metadata)


class _Watched(HttpClients):
    """Remembers for whom certificates are verified."""

    def __init__(self, room: LoginRoom) -> None:
        super().__init__(room.network)
        self.verified: list[bool] = []

    def guarded(
        self, *, server_host: str, trusted_hosts: frozenset[str]
    ) -> HttpClients:
        del server_host, trusted_hosts
        return self

    def fetcher(self, *, verify: bool = True) -> Fetcher:
        self.verified.append(verify)
        return super().fetcher(verify=verify)


@pytest.mark.requirement("R64", "R145")
@pytest.mark.parametrize("warnings", [0, 1])
async def test_the_oauth_setting_decides_about_the_providers_certificate(
    autojump_clock: MockClock, warnings: int
) -> None:
    verify = not warnings
    async with login_room() as room:
        config = UpstreamConfig(
            name="example",
            url="https://mcp.example/sse",
            verify_ssl=not verify,
            oauth=OAuthConfig(enabled=True, verify_ssl=verify),
        )
        http = _Watched(room)
        open_account(
            config,
            BridgeConfig(),
            ports=room.ports,
            http=http,
            store=open_store(
                BridgeConfig(),
                room.ports,
                home=HOME,
                log=room.log,
                servers=[(config.name, http_url(config.url))],
            ),
            reception=Reception(desk=room.desk, browser=room.browser),
            log=room.log,
        )
        assert http.verified == [verify]
        assert len(room.said(events.TLS_VERIFICATION_DISABLED)) == warnings
