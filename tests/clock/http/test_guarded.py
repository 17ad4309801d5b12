"""Only where an upstream may send us, and exactly to what was checked (R151, D7)."""

import pytest
import trio
from trio.testing import MockClock

from bridge.errors import ConnectFailed, DestinationRefused
from bridge.http import HttpClients
from bridge.http.guarded import ATTEMPT, TRIED, AddressForbidden, GuardedNetwork
from kit.network import SimulatedNetwork
from kit.scripted_http import Exchange, ScriptedServer

EVIL = "idp.evil.test"
SERVER = "mcp.test"


class Dialled(SimulatedNetwork):
    """Connects to every address, and keeps them. ``dead`` ones refuse, ``deaf`` ones
    never answer. ``answers`` of a name are given one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.dialled: list[str] = []
        self.dead: set[str] = set()
        self.deaf: set[str] = set()
        self.answers: dict[str, list[tuple[str, ...]]] = {}

    async def connect(self, host: str, port: int) -> trio.abc.Stream:
        self.dialled.append(host)
        await trio.lowlevel.checkpoint()
        if host in self.dead:
            raise ConnectionRefusedError(111, "Connection refused")
        if host in self.deaf:
            await trio.sleep_forever()
        client, _server = self._pair((host, port))
        return client

    async def resolve(self, host: str) -> tuple[str, ...]:
        if rest := self.answers.get(host):
            self.names[host] = rest.pop(0)
        return tuple(await super().resolve(host))


def guarded(
    network: SimulatedNetwork, server_host: str = SERVER, *trusted: str
) -> GuardedNetwork:
    return GuardedNetwork(
        network, server_host=server_host, trusted_hosts=frozenset(trusted)
    )


@pytest.mark.requirement("R151", "D7")
@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "::1", "10.0.0.7", "192.168.1.1", "169.254.169.254", "fe80::1"),
        *("0.0.0.0", "::", "224.0.0.1", "100.64.0.1", "fd00::1", "::ffff:127.0.0.1"),
        *("64:ff9b::10.0.0.1", "2002:7f00:1::", "2001::1"),
    ],
)
async def test_a_public_server_cannot_send_us_near_ourselves(address: str) -> None:
    network = Dialled()
    network.names = {EVIL: (address,), SERVER: ("93.184.216.34",)}
    for host in (EVIL, address):
        with pytest.raises(AddressForbidden):
            await guarded(network).connect(host, 443)
    assert network.dialled == []


@pytest.mark.requirement("R151")
@pytest.mark.parametrize(
    ("server_host", "places", "address"),
    [
        ("127.0.0.1", ("127.0.0.1",), "127.0.0.1"),
        ("localhost", ("127.0.0.1",), "::1"),
        ("dev.localhost", ("127.0.0.1",), "127.0.0.2"),
        (SERVER, ("10.0.0.5",), "192.168.0.9"),
        (SERVER, ("10.0.0.5", "fd00::5"), "10.0.0.9"),
        (SERVER, ("169.254.3.4",), "169.254.3.5"),
        ("[fd00::5]", ("fd00::5",), "10.0.0.9"),
    ],
)
async def test_the_neighbourhood_of_the_server_is_open(
    server_host: str, places: tuple[str, ...], address: str
) -> None:
    network = Dialled()
    network.names = {server_host: places, "idp.corp.test": (address,)}
    await guarded(network, server_host).connect("idp.corp.test", 443)
    assert network.dialled == [address]


@pytest.mark.requirement("R151", "D7")
@pytest.mark.parametrize(
    ("server_host", "places", "address"),
    [
        (SERVER, ("10.0.0.5",), "127.0.0.1"),
        (SERVER, ("10.0.0.5",), "169.254.169.254"),
        (SERVER, ("169.254.3.4",), "10.0.0.1"),
        ("127.0.0.1", ("127.0.0.1",), "10.0.0.1"),
        ("127.0.0.1", ("127.0.0.1",), "169.254.169.254"),
        (SERVER, ("224.0.0.1",), "224.0.0.2"),
        (SERVER, ("0.0.0.0",), "0.0.0.0"),
        # whoever owns the name may give it any address: these tell nothing
        (SERVER, ("93.184.216.34", "10.0.0.5"), "10.0.0.9"),
        (SERVER, ("127.0.0.1",), "127.0.0.1"),
    ],
)
async def test_another_neighbourhood_stays_closed(
    server_host: str, places: tuple[str, ...], address: str
) -> None:
    network = Dialled()
    network.names = {server_host: places, EVIL: (address,)}
    with pytest.raises(AddressForbidden, match=EVIL):
        await guarded(network, server_host).connect(EVIL, 443)
    assert network.dialled == []


@pytest.mark.requirement("R151")
@pytest.mark.parametrize(
    "host", [SERVER, "MCP.test.", "idp.corp.test", "IDP.corp.test"]
)
async def test_what_the_operator_has_named_is_connected_to_wherever_it_is(
    host: str,
) -> None:
    network = Dialled()
    network.names = {host: ("10.0.0.1",)}
    await guarded(network, SERVER, "idp.corp.test").connect(host, 443)
    assert network.dialled == ["10.0.0.1"]


@pytest.mark.requirement("D7")
async def test_a_name_that_changes_its_address_after_the_check_gains_nothing() -> None:
    network = Dialled()
    network.names = {SERVER: ("93.184.216.34",)}
    network.answers = {EVIL: [("8.8.8.8",), ("127.0.0.1",)]}
    guard = guarded(network)
    await guard.connect(EVIL, 443)
    assert network.dialled == ["8.8.8.8"]
    with pytest.raises(AddressForbidden):
        await guard.connect(EVIL, 443)
    assert network.dialled == ["8.8.8.8"]


@pytest.mark.requirement("D7")
async def test_of_mixed_addresses_only_the_open_ones_are_tried() -> None:
    network = Dialled()
    network.names = {EVIL: ("10.0.0.1", "8.8.8.8", "::1"), SERVER: ("1.1.1.1",)}
    await guarded(network).connect(EVIL, 443)
    assert network.dialled == ["8.8.8.8"]


async def test_the_addresses_of_a_name_are_tried_in_order(
    autojump_clock: MockClock,
) -> None:
    network = Dialled()
    network.names = {"idp.test": ("8.0.0.1", "8.0.0.2", "8.0.0.3")}
    network.dead, network.deaf = {"8.0.0.1"}, {"8.0.0.2"}
    began = trio.current_time()
    await guarded(network).connect("idp.test", 443)
    assert network.dialled == ["8.0.0.1", "8.0.0.2", "8.0.0.3"]
    assert trio.current_time() - began == pytest.approx(ATTEMPT)


async def test_a_name_with_many_dead_addresses_is_given_up(
    autojump_clock: MockClock,
) -> None:
    network = Dialled()
    network.names = {"idp.test": tuple(f"8.0.0.{n}" for n in range(50))}
    network.deaf = set(network.names["idp.test"])
    with pytest.raises(TimeoutError):
        await guarded(network).connect("idp.test", 443)
    assert len(network.dialled) == TRIED
    assert trio.current_time() <= TRIED * ATTEMPT


@pytest.mark.parametrize("addresses", [(), ("8.0.0.1",)])
async def test_a_failure_is_not_a_refusal(addresses: tuple[str, ...]) -> None:
    network = Dialled()
    network.names = {"idp.test": addresses}
    network.dead = {"8.0.0.1"}
    with pytest.raises(OSError, match=r"refused|no address") as caught:
        await guarded(network).connect("idp.test", 443)
    assert not isinstance(caught.value, AddressForbidden)


async def test_all_else_is_the_networks_own_affair() -> None:
    network = Dialled()
    guard = guarded(network)
    assert await guard.resolve("10.0.0.1") == ("10.0.0.1",)
    (listener,) = await guard.listen("127.0.0.1", 0)
    await listener.aclose()


# --- the clients over it ---


async def greet(exchange: Exchange) -> None:
    """Answers every request, with a cookie for the next one."""
    await exchange.answer(200, b"{}", {"Set-Cookie": "spy=1; Path=/"})


async def redirect(exchange: Exchange) -> None:
    """Sends everybody on within the origin, and ends the connection."""
    if exchange.asked.target == "/moved":
        await exchange.answer(200, b"moved")
        return
    await exchange.answer(302, b"", {"Location": "/moved", "Connection": "close"})


@pytest.mark.requirement("R66")
async def test_oauth_requests_name_the_product_and_bring_no_cookie(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    network, server = SimulatedNetwork(), ScriptedServer(greet)
    await network.serve(nursery, ("idp.test", 80), handler=server.handle)
    clients = HttpClients(network).guarded(
        server_host=SERVER, trusted_hosts=frozenset()
    )
    fetcher = clients.fetcher()
    for _ in range(2):
        await fetcher.fetch("http://idp.test/token", method="POST", content=b"a=b")
    for asked in server.asked:
        assert set(asked.headers) == {
            *("host", "accept", "accept-encoding", "connection"),
            *("user-agent", "content-length"),
        }
        assert asked.headers["user-agent"].startswith("mcp-trio-bridge/")
        assert asked.headers["host"] == "idp.test"
    assert len(server.asked) == 2


@pytest.mark.requirement("R151", "D7")
async def test_a_refused_address_is_told_from_one_that_does_not_answer(
    autojump_clock: MockClock,
) -> None:
    network = SimulatedNetwork()
    network.names |= {EVIL: ("169.254.169.254",)}
    fetcher = (
        HttpClients(network)
        .guarded(server_host=SERVER, trusted_hosts=frozenset())
        .fetcher()
    )
    with pytest.raises(DestinationRefused) as refused:
        await fetcher.fetch(f"http://{EVIL}/latest/meta-data?token=s3cret")
    assert EVIL in refused.value.public
    assert "s3cret" not in refused.value.public
    assert not refused.value.retryable
    with pytest.raises(ConnectFailed):
        await fetcher.fetch("http://idp.test/token")


@pytest.mark.requirement("D7")
async def test_the_address_is_checked_again_on_every_hop(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    class Rebinding(SimulatedNetwork):
        asked = 0

        async def resolve(self, host: str) -> tuple[str, ...]:
            await trio.lowlevel.checkpoint()
            if host != EVIL:
                return ("1.1.1.1",)
            self.asked += 1
            return ("8.8.8.8",) if self.asked == 1 else ("127.0.0.1",)

    network, server = Rebinding(), ScriptedServer(redirect)
    for address in ("8.8.8.8", "127.0.0.1"):
        await network.serve(nursery, (address, 80), handler=server.handle)
    clients = HttpClients(network).guarded(
        server_host=SERVER, trusted_hosts=frozenset()
    )
    with pytest.raises(DestinationRefused):
        await clients.fetcher().fetch(f"http://{EVIL}/")
    assert [asked.target for asked in server.asked] == ["/"]


def test_guarded_clients_share_the_tls_contexts() -> None:
    clients = HttpClients(SimulatedNetwork())
    sibling = clients.guarded(server_host=SERVER, trusted_hosts=frozenset())
    assert sibling.context() is clients.context()
    assert clients.context(verify=False) is sibling.context(verify=False)
