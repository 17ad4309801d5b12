"""The management pages for the command line: no token, no MCP, gone when stopping."""

import pytest
import trio
from trio.testing import MockClock

from bridge.actor.child import ChildContext
from bridge.approvals import Approvals
from bridge.downstream.control_socket import ControlPages, Listener, serve_control
from bridge.downstream.health import Health, Management
from bridge.downstream.oauth_pages import OAuthPages
from bridge.downstream.pin_pages import PinPages
from bridge.downstream.reload_pages import ReloadPages
from bridge.observe import catalogue as events
from kit.browser import Browser, Reply
from kit.front import Front, SimulatedListener, TestClock

READABLE = (
    *("/status", "/metrics", "/readyz", "/sse/servers", "/sse/tags"),
    *("/sse/list_tools", "/sse/mcp/files/status", "/sse/mcp/files/list_tools"),
)
NOT_HERE = ("/sse", "/mcp", "/messages", "/sse/mcp/files", "/health", "/", "/nothing")


class ControlSide:
    """A control socket over memory streams, before the router of a `Front`."""

    def __init__(self, front: Front) -> None:
        self.front = front
        self.listener = SimulatedListener()
        self.context = ChildContext("control", log=front.journal.log)
        self.pages = ControlPages(
            health=Health(front.control),
            management=Management(
                control=front.control,
                dispatcher=front.room.dispatcher,
                metrics=lambda: b"up 1\n",
            ),
            knows=front.room.board.knows,
            oauth=OAuthPages(front.control),
            reload=ReloadPages(None),
            pins=PinPages(Approvals(lambda _name: None)),
        )
        self.ended = trio.Event()

    def listen(self) -> Listener:
        return self.listener

    async def run(self) -> None:
        await serve_control(
            self.pages,
            self.context,
            listen=self.listen,
            clock=TestClock(),
            log=self.front.journal.log,
        )
        self.ended.set()

    async def ask(self, method: str, path: str, body: bytes = b"") -> Reply:
        return await Browser(self.listener.connect()).ask(method, path, body=body)


@pytest.fixture
async def control(nursery: trio.Nursery, autojump_clock: MockClock) -> ControlSide:
    front = Front()
    await front.start(nursery)
    side = ControlSide(front)
    nursery.start_soon(side.run)
    await side.context.wait_started()
    return side


@pytest.mark.parametrize("path", READABLE)
async def test_what_an_operator_reads_is_there_without_a_token(
    control: ControlSide, autojump_clock: MockClock, path: str
) -> None:
    assert (await control.ask("GET", path)).status == 200


async def test_what_is_shown_is_what_the_management_pages_show(
    control: ControlSide, autojump_clock: MockClock
) -> None:
    tools = (await control.ask("GET", "/sse/mcp/files/list_tools")).json
    assert [tool["name"] for tool in tools["tools"]] == ["files__read", "files__write"]
    assert (await control.ask("GET", "/metrics")).body == b"up 1\n"
    reply = await control.ask("POST", "/sse/mcp/files/reconnect")
    assert (reply.status, control.front.control.asked) == (202, ["files"])


@pytest.mark.parametrize("path", NOT_HERE)
async def test_mcp_itself_is_not_spoken_on_the_socket(
    control: ControlSide, autojump_clock: MockClock, path: str
) -> None:
    for method in ("GET", "POST"):
        assert (await control.ask(method, path)).status == 404


async def test_a_page_is_asked_for_as_it_must_be(
    control: ControlSide, autojump_clock: MockClock
) -> None:
    reply = await control.ask("POST", "/status")
    assert (reply.status, reply.headers["allow"]) == (405, "GET")


@pytest.mark.parametrize("view", ["mcp/nobody", "tag/nothing"])
async def test_tools_of_nobody_are_not_an_empty_list(
    control: ControlSide, autojump_clock: MockClock, view: str
) -> None:
    reply = await control.ask("GET", f"/sse/{view}/list_tools")
    assert (reply.status, reply.json["message"]) == (
        404,
        "there is no such server or tag",
    )


async def test_it_answers_while_the_bridge_drains_and_ends_at_once_when_told(
    control: ControlSide, autojump_clock: MockClock
) -> None:
    control.front.control.draining = True
    assert (await control.ask("GET", "/readyz")).status == 503
    assert (await control.ask("GET", "/status")).status == 200
    idle = control.listener.connect()
    control.context.stopping.set()
    with trio.fail_after(1):
        await control.ended.wait()
        assert await idle.receive_some() == b""
    assert control.listener.closed


async def test_where_no_socket_can_be_opened_the_bridge_does_without(
    autojump_clock: MockClock,
) -> None:
    side = ControlSide(Front())

    def refuse() -> Listener:
        raise PermissionError(13, "Permission denied")

    side.listen = refuse
    await side.run()
    said = side.front.journal.of(events.CONTROL_UNAVAILABLE)
    assert said == [{"error": "Permission denied"}]
