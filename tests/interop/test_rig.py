"""The counterparts alone, without a bridge: if these fail, it is not our doing."""

import time
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import httpx
import pytest
import trio
from joserfc import jwt
from joserfc.jwk import KeySet
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from interop.conformance import required_scenarios, run_conformance
from interop.rig.curl import LIST, Curl, call, curl_stream
from interop.rig.event_stream import bare_client
from interop.rig.identity import IdentityProvider, running_identity_provider
from interop.rig.inspector import Inspector
from interop.rig.person import sign_in
from interop.rig.places import scripted_server
from interop.rig.process import is_alive
from interop.rig.sdk import sdk_client, text_of, tool_names
from interop.rig.servers import Entry, Transport, running_protected_server

pytestmark = [pytest.mark.interop, pytest.mark.external]


def _upstream(request: pytest.FixtureRequest, name: str) -> str:
    entry: Entry = request.getfixturevalue(name)
    return str(entry["url"])


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_the_provider_signs_tokens_its_keys_verify(
    identity_provider: IdentityProvider, algorithm: str
) -> None:
    metadata = f"{identity_provider.issuer}/.well-known/openid-configuration"
    keys = httpx.get(httpx.get(metadata).json()["jwks_uri"]).json()
    token = identity_provider.token(algorithm=algorithm, client="bob", ttl=60)

    decoded = jwt.decode(token, KeySet.import_key_set(keys), algorithms=[algorithm])

    assert decoded.header["typ"] == "at+jwt"
    assert decoded.claims["iss"] == identity_provider.issuer
    assert decoded.claims["aud"] == "bridge"
    assert decoded.claims["sub"] == "bob"
    assert decoded.claims["exp"] - decoded.claims["iat"] == 60


# RFC 7636, appendix B
_VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
_CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
_BACK = "http://127.0.0.1:8090/oauth/callback"


def _authorization_url(issuer: str, client: str, **more: str) -> str:
    query = {
        "client_id": client,
        "redirect_uri": _BACK,
        "response_type": "code",
        "scope": "mcp offline_access",
        "resource": "urn:resource:bridge:RS256:60",
        "state": "s1",
        **more,
    }
    return str(httpx.URL(f"{issuer}/auth", params=query))


def _register(issuer: str) -> str:
    wanted = {
        "redirect_uris": [_BACK],
        "application_type": "native",
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
    }
    registered = httpx.post(f"{issuer}/reg", json=wanted).raise_for_status()
    return str(registered.json()["client_id"])


def test_the_provider_logs_a_person_in_and_rotates_refresh_tokens(
    identity_provider: IdentityProvider,
) -> None:
    issuer = identity_provider.issuer
    client = _register(issuer)
    proof = {"code_challenge": _CHALLENGE, "code_challenge_method": "S256"}
    back = sign_in(_authorization_url(issuer, client, prompt="consent", **proof))
    assert (back.params["state"], back.params["iss"]) == ("s1", issuer)

    exchange = {
        "grant_type": "authorization_code",
        "code": back.params["code"],
        "redirect_uri": _BACK,
        "code_verifier": _VERIFIER,
        "client_id": client,
    }
    first = httpx.post(f"{issuer}/token", data=exchange).raise_for_status().json()
    refresh = {
        "grant_type": "refresh_token",
        "refresh_token": first["refresh_token"],
        "client_id": client,
    }
    second = httpx.post(f"{issuer}/token", data=refresh).raise_for_status().json()
    replayed = httpx.post(f"{issuer}/token", data=refresh)

    assert second["refresh_token"] != first["refresh_token"]
    assert replayed.json()["error"] == "invalid_grant"


def test_the_provider_refuses_a_log_in_without_proof_key(
    identity_provider: IdentityProvider,
) -> None:
    issuer = identity_provider.issuer
    back = sign_in(_authorization_url(issuer, _register(issuer)))

    assert back.params["error"] == "invalid_request"
    assert "PKCE" in back.params["error_description"]


@pytest.mark.parametrize("upstream", ["sse_upstream", "http_upstream"])
async def test_the_sdk_client_lists_and_calls(
    request: pytest.FixtureRequest, upstream: str
) -> None:
    async with sdk_client(_upstream(request, upstream)) as client:
        assert await tool_names(client) == ["add"]
        assert await text_of(client, "add", a=2, b=3) == "5"


@pytest.mark.parametrize(
    ("upstream", "kind"), [("sse_upstream", "sse"), ("http_upstream", "http")]
)
async def test_the_inspector_lists_and_calls(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    upstream: str,
    kind: Literal["sse", "http"],
) -> None:
    inspector = Inspector(tmp_path)
    url = _upstream(request, upstream)

    listed = await inspector.ask(url, "", kind=kind, method=["tools/list"])
    method = ["tools/call", "--tool-name", "add", "--tool-arg", "a=2", "b=3"]
    called = await inspector.ask(url, "", kind=kind, method=method)

    assert [tool["name"] for tool in listed["tools"]] == ["add"]
    assert called["content"][0]["text"] == "5"


async def test_curl_lists_and_calls_over_streamable_http(
    http_upstream: Entry, tmp_path: Path
) -> None:
    curl, url = Curl(tmp_path), str(http_upstream["url"])
    session = await curl.open_mcp(url)

    listed = (await curl.post(url, LIST, session)).message()
    called = (await curl.post(url, call("add", a=2, b=3), session)).message()

    assert [tool["name"] for tool in listed["result"]["tools"]] == ["add"]
    assert called["result"]["content"][0]["text"] == "5"


async def test_curl_lists_and_calls_over_an_event_stream(
    sse_upstream: Entry, tmp_path: Path
) -> None:
    base = str(sse_upstream["url"]).removesuffix("/sse")
    async with curl_stream(Curl(tmp_path), base, "/sse") as stream:
        listed = await stream.ask(LIST)
        called = await stream.ask(call("add", a=2, b=3))

    assert [tool["name"] for tool in listed["result"]["tools"]] == ["add"]
    assert called["result"]["content"][0]["text"] == "5"


async def test_the_bare_client_keeps_each_answer(sse_upstream: Entry) -> None:
    base = str(sse_upstream["url"]).removesuffix("/sse")
    async with bare_client(base) as client:
        number = await client.call("add", a=2, b=3)
        answer = await client.answer(number)

        assert answer["result"]["content"][0]["text"] == "5"
        assert client.answers(number) == [answer]
        assert not client.ended.is_set()


async def test_the_scripted_server_works_while_it_sleeps() -> None:
    command, *args = scripted_server()
    parameters = StdioServerParameters(command=command, args=args)
    async with Client(parameters, mode="legacy") as client, trio.open_nursery() as side:
        side.start_soon(client.call_tool, "sleep", {"seconds": 30})
        assert await text_of(client, "echo", text="still here") == "still here"
        pid = int(await text_of(client, "pid"))
        assert f"born_{pid}" in await tool_names(client)
        side.cancel_scope.cancel()
    assert not is_alive(pid)


async def test_the_everything_server_conforms_by_itself(
    everything_url: str, tmp_path: Path
) -> None:
    required = await required_scenarios(tmp_path / "list")
    outcomes = await run_conformance(everything_url, tmp_path / "run")

    assert len(required) == 30
    assert [name for name in required if not outcomes[name].is_pass] == []


def _login(issuer: str, resource: str, *, client: str) -> dict[str, Any]:
    """The token answer of a whole log-in for ``resource``."""
    proof = {"code_challenge": _CHALLENGE, "code_challenge_method": "S256"}
    wanted = {**proof, "resource": resource, "prompt": "consent"}
    back = sign_in(_authorization_url(issuer, client, **wanted))
    exchange = {
        "grant_type": "authorization_code",
        "code": back.params["code"],
        "redirect_uri": _BACK,
        "code_verifier": _VERIFIER,
        "client_id": client,
        "resource": resource,
    }
    answer = httpx.post(f"{issuer}/token", data=exchange).raise_for_status().json()
    return cast("dict[str, Any]", answer)


def _refresh(issuer: str, token: str, *, client: str) -> httpx.Response:
    given = {"grant_type": "refresh_token", "refresh_token": token, "client_id": client}
    return httpx.post(f"{issuer}/token", data=given)


def test_a_provider_with_grace_forgives_a_refresh_token_used_twice_for_a_while(
    tmp_path: Path,
) -> None:
    with running_identity_provider(tmp_path, lifetime=5, grace=1.5) as provider:
        client = _register(provider.issuer)
        first = _login(provider.issuer, "http://127.0.0.1:9/mcp", client=client)
        asked = partial(_refresh, provider.issuer, client=client)
        used = asked(first["refresh_token"]).json()["refresh_token"]
        twice = asked(first["refresh_token"]).json()["refresh_token"]
        time.sleep(1.6)
        late = asked(first["refresh_token"])
        counts = provider.counts()

    assert first["expires_in"] == 5
    assert len({first["refresh_token"], used, twice}) == 3
    assert late.json()["error"] == "invalid_grant"
    assert counts.logins("http://127.0.0.1:9/mcp") == 1
    assert counts.refreshes("http://127.0.0.1:9/mcp") == 2
    assert counts.refused == {"refresh token already used": 1}
    assert counts.registered == counts.revoked == 1


def _get(url: str, tokens: dict[str, Any]) -> httpx.Response:
    return httpx.get(url, headers={"Authorization": f"Bearer {tokens['access_token']}"})


@pytest.mark.parametrize("transport", ["sse", "streamable-http"])
async def test_a_protected_server_serves_a_token_of_its_own_until_it_expires(
    tmp_path: Path, transport: Transport
) -> None:
    with (
        running_identity_provider(tmp_path / "idp", lifetime=4) as provider,
        running_protected_server(
            tmp_path / "server", transport, provider.issuer
        ) as server,
    ):
        client = _register(provider.issuer)
        foreign = _login(provider.issuer, "http://127.0.0.1:9/mcp", client=client)
        own = _login(provider.issuer, server.url, client=client)
        refused = _get(server.url, foreign)
        async with sdk_client(server.url, own["access_token"]) as session:
            assert await text_of(session, "add", a=2, b=3) == "5"
        await trio.sleep(5)
        expired = _get(server.url, own)

    assert (refused.status_code, expired.status_code) == (401, 401)
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]
    assert "resource_metadata=" in refused.headers["www-authenticate"]
    assert server.answered(401) == 2
