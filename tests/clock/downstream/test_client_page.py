"""The client id metadata document through the front door (R88)."""

import pytest
import trio
from trio.testing import MockClock

from bridge.config.model import BridgeConfig
from kit.front import Front

PATH = "/oauth/client-metadata.json"
HOST = (("host", "bridge.example"),)


@pytest.mark.requirement("R88")
async def test_a_provider_reads_it_without_a_token(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front(bridge=BridgeConfig(public_url="https://bridge.example"))
    await front.start(nursery)
    reply = await front.ask("GET", PATH, token=None, headers=HOST)
    assert reply.status == 200
    assert reply.json["client_id"] == f"https://bridge.example{PATH}"
    posted = await front.ask("POST", PATH, token=None, headers=HOST)
    assert posted.status == 405


async def test_without_a_public_address_there_is_none(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    await front.start(nursery)
    assert (await front.ask("GET", PATH, token=None)).status == 404
