"""The logins of a bridge on its control socket, and on no other door."""

import pytest
import trio
from trio.testing import MockClock

from bridge.downstream.oauth_pages import OAuthPages
from bridge.observe.status import OAuthStatus, UpstreamStatus
from kit.browser import Reply
from kit.front import Front, PanelControl
from kit.requests import make_request

LOGIN_URL = "https://id.example/authorize?client_id=c&state=abc"
REDIRECT = "http://127.0.0.1:8090/oauth/callback?code=xyz&state=abc"
PENDING = OAuthStatus(name="Far Away", state="login_pending", login_url=LOGIN_URL)
VALID = OAuthStatus(name="near", state="valid", expires_at=5.0, scopes=("a",))


class Pages:
    """The pages over a control that says what it is told to say."""

    def __init__(self) -> None:
        self.control = PanelControl()
        self.control.logins = (PENDING, VALID)
        self.control.upstreams += (UpstreamStatus(name="Far Away", state="connecting"),)
        self._pages = OAuthPages(self.control)

    async def ask(self, method: str, path: str, body: bytes = b"") -> Reply:
        request = make_request(path, method=method, body=body)
        answer = await self._pages.handle(request)
        if answer is None:
            return Reply(0, {})
        return Reply(answer.status, dict(answer.headers), answer.body)


@pytest.mark.requirement("R112")
async def test_every_login_is_listed_and_one_is_shown_with_its_address() -> None:
    pages = Pages()
    listed = (await pages.ask("GET", "/oauth")).json
    assert [each["name"] for each in listed["servers"]] == ["Far Away", "near"]
    assert listed["count"] == 2
    one = (await pages.ask("GET", "/oauth/near")).json
    assert (one["state"], one["expiresAt"], one["scopes"]) == ("valid", 5.0, ["a"])


@pytest.mark.parametrize("name", ["Far Away", "far-away"])
async def test_a_server_is_named_as_configured_or_as_in_addresses(name: str) -> None:
    pages = Pages()
    assert (await pages.ask("GET", f"/oauth/{name}")).json["loginUrl"] == LOGIN_URL
    assert (await pages.ask("POST", f"/oauth/{name}/login")).status == 202
    assert (await pages.ask("POST", f"/oauth/{name}/logout")).status == 202
    assert pages.control.asked == ["login Far Away", "logout Far Away"]


@pytest.mark.parametrize(
    ("body", "told"),
    [(b"", "login near"), (b"{}", "login near"), (b'{"force":true}', "force near")],
)
async def test_a_login_is_forced_only_when_the_body_says_so(
    body: bytes, told: str
) -> None:
    pages = Pages()
    reply = await pages.ask("POST", "/oauth/near/login", body)
    assert reply.json == {"server": "near", "begun": True}
    assert pages.control.asked == [told]


@pytest.mark.parametrize("body", [b"force", b'{"force": 1}', b"\xff", b"[]"])
async def test_a_body_that_is_no_wish_begins_nothing(body: bytes) -> None:
    pages = Pages()
    assert (await pages.ask("POST", "/oauth/near/login", body)).status == 400
    assert pages.control.asked == []


async def test_a_login_that_cannot_begin_is_not_said_to_have_begun() -> None:
    pages = Pages()
    pages.control.draining = True
    assert (await pages.ask("POST", "/oauth/near/login")).status == 404


@pytest.mark.parametrize("success", [True, False])
async def test_a_pasted_redirect_is_delivered_and_its_end_told(
    *, success: bool
) -> None:
    pages = Pages()
    pages.control.pasted = success
    reply = await pages.ask("POST", "/oauth/near/redirect", f" {REDIRECT}\n".encode())
    assert (reply.status, reply.json["success"]) == (200, success)
    assert pages.control.asked == ["code=xyz&state=abc"]


async def test_a_redirect_nobody_waits_for_says_so() -> None:
    reply = await Pages().ask("POST", "/oauth/near/redirect", REDIRECT.encode())
    assert (reply.status, reply.json["error"]) == (409, "no_login")


async def test_what_is_no_redirect_is_delivered_to_nobody() -> None:
    pages = Pages()
    reply = await pages.ask("POST", "/oauth/near/redirect", LOGIN_URL.encode())
    assert reply.status == 400
    assert "copy the whole address" in reply.json["message"]
    assert "abc" not in reply.json["message"]
    assert pages.control.asked == []


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/oauth/files", "the server 'files' does not use OAuth"),
        ("/oauth/nobody", "there is no server 'nobody' that logs in with OAuth"),
    ],
)
async def test_a_server_without_a_login_is_refused_with_those_that_have_one(
    path: str, said: str
) -> None:
    pages = Pages()
    for method, page in (("GET", path), ("POST", f"{path}/login")):
        reply = await pages.ask(method, page)
        assert (reply.status, reply.json["error"]) == (404, "not_found")
        assert reply.json["message"].startswith(said)
        assert reply.json["message"].endswith("OAuth servers are: Far Away, near")


async def test_without_any_oauth_server_that_is_said() -> None:
    pages = Pages()
    pages.control.logins = ()
    reply = await pages.ask("GET", "/oauth/files")
    assert reply.json["message"].endswith("no server uses it")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/oauth", "GET"),
        ("DELETE", "/oauth/near", "GET"),
        ("GET", "/oauth/near/login", "POST"),
        ("GET", "/oauth/near/logout", "POST"),
        ("GET", "/oauth/near/redirect", "POST"),
    ],
)
async def test_a_page_takes_its_method_only(method: str, path: str, allow: str) -> None:
    reply = await Pages().ask(method, path)
    assert (reply.status, reply.headers["allow"]) == (405, allow)


@pytest.mark.parametrize(
    "path", ["/", "/oauth/", "/oauthx", "/oauth/near/token", "/oauth/near/login/x"]
)
async def test_any_other_path_is_none_of_these(path: str) -> None:
    assert (await Pages().ask("GET", path)).status == 0


@pytest.mark.requirement("R53")
@pytest.mark.parametrize("path", ["/oauth", "/oauth/near", "/oauth/near/login"])
async def test_the_main_door_has_no_such_page_even_with_a_token(
    nursery: trio.Nursery, autojump_clock: MockClock, path: str
) -> None:
    front = Front()
    front.control.logins = (VALID,)
    await front.start(nursery)
    for method in ("GET", "POST"):
        headers = [("authorization", "Bearer alice")]
        reply = await front.browser().ask(method, path, headers=headers)
        assert reply.status == 404
        assert b"near" not in reply.body
    assert front.control.asked == []


@pytest.mark.requirement("R53")
async def test_the_address_of_a_login_is_on_no_page_of_the_main_door(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    front = Front()
    front.control.logins = (PENDING,)
    await front.start(nursery)
    for path in ("/status", "/sse/servers", "/sse/mcp/files/status", "/readyz"):
        headers = [("authorization", "Bearer alice")]
        reply = await front.browser().ask("GET", path, headers=headers)
        assert b"id.example" not in reply.body
