"""The simulated provider: an honest client passes, every planted breach is noticed."""

from typing import Any

import msgspec
import pytest
import trio
from joserfc.jwk import KeySet
from joserfc.jwt import decode
from trio.testing import MockClock

from kit.issuer import OMIT
from kit.oauth_scene import scene
from kit.plain_client import CALLBACK
from kit.provider_http import FORM
from kit.provider_rules import Rules
from kit.sign_in import visit


def error_of(reply: Any) -> str:
    return reply.json["error"]


# --- an honest client -------------------------------------------------------------


@pytest.mark.parametrize("kind", ["opaque", "jwt"])
async def test_an_honest_client_logs_in_calls_and_refreshes_without_a_breach(
    autojump_clock: MockClock, kind: str
) -> None:
    rules = Rules(access_lifetime=5)
    rules.access_tokens = "jwt" if kind == "jwt" else "opaque"
    async with scene(rules) as s:
        await s.client.log_in()
        assert (await s.client.call(s.server.url)).status == 200
        await trio.sleep(5)
        assert (await s.client.call(s.server.url)).status == 401
        assert (await s.client.refresh()).status == 200
        assert (await s.client.call(s.server.url)).status == 200
        assert s.provider.breaches == []
        assert s.provider.counts.logins == s.provider.counts.registrations == 1
        assert s.provider.counts.refreshes_of == {0: 1}
        assert (s.server.traffic.served, s.server.traffic.unauthorized) == (2, 1)


async def test_a_seed_repeats_every_secret(autojump_clock: MockClock) -> None:
    given: list[list[str]] = []
    for seed in (1, 1, 2):
        rules = Rules(access_tokens="jwt")
        async with scene(rules, seed=seed) as s:
            await trio.sleep(10 - trio.current_time() % 10)
            s.provider.core.epoch -= trio.current_time()
            await s.client.log_in()
            given.append([s.client.access_token, s.client.refresh_token])
    assert given[0] == given[1]
    assert given[1] != given[2]


async def test_a_jwt_access_token_is_signed_and_names_its_audience(
    autojump_clock: MockClock,
) -> None:
    async with scene(Rules(access_tokens="jwt")) as s:
        await s.client.log_in()
        keys = KeySet.import_key_set(
            (await visit(s.network, f"{s.provider.issuer}/jwks")).json
        )
        token = decode(s.client.access_token, keys, algorithms=["Ed25519"])
        assert token.claims["aud"] == s.server.resource
        assert token.claims["exp"] == int(s.provider.now()) + 3600
        old = token.header["kid"]
        s.provider.tokens.rotate_key()
        await s.client.refresh()
        keys = KeySet.import_key_set(
            (await visit(s.network, f"{s.provider.issuer}/jwks")).json
        )
        token = decode(s.client.access_token, keys, algorithms=["Ed25519"])
        assert token.header["kid"] != old
        assert len(keys.keys) == 2


# --- what breaks a rule -----------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"response_type": "token"}, "authorization.response_type"),
        ({"state": ""}, "state.missing"),
        ({"state": "abc"}, "state.short"),
        ({"code_challenge": ""}, "pkce.missing"),
        ({"code_challenge_method": "plain"}, "pkce.method"),
        ({"code_challenge": "short"}, "pkce.form"),
        ({"resource": ""}, "resource.missing"),
        ({"resource": "https://elsewhere.example/mcp"}, "resource.unknown"),
        ({"scope": "admin"}, "scope.unknown"),
        ({"scope": "mcp:read mcp:read"}, "scope.repeated"),
        ({"redirect_uri": f"{CALLBACK}/"}, "authorization.redirect_uri"),
        ({"client_id": "stranger"}, "client.unknown"),
        ({"client_secret": "s"}, "authorization.secret"),
        ({"prompt": "always"}, "authorization.prompt"),
    ],
)
async def test_a_wrong_authorization_request_is_noticed(
    autojump_clock: MockClock, changes: dict[str, str], rule: str
) -> None:
    async with scene() as s:
        await s.client.register()
        code = await s.client.authorize(**changes)
        assert rule in s.broken
        assert not code.startswith("code-")


async def test_a_state_or_challenge_used_again_is_noticed(
    autojump_clock: MockClock,
) -> None:
    async with scene() as s:
        await s.client.register()
        url = s.client.authorization_url()
        await visit(s.network, url)
        assert s.broken == []
        await visit(s.network, url)
        assert s.broken == ["state.reused"]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"code_verifier": None}, "pkce.no_verifier"),
        ({"code_verifier": "v" * 42}, "pkce.verifier_form"),
        ({"code_verifier": "v" * 43}, "pkce.verifier"),
        ({"resource": None}, "resource.missing"),
        ({"resource": "https://elsewhere.example/mcp"}, "resource.other"),
        ({"redirect_uri": "http://localhost:8090/oauth/callback"}, "code.redirect_uri"),
        ({"code": "code-of-somebody-else"}, "code.foreign"),
        ({"client_secret": "guess"}, "client.method"),
        ({"grant_type": "password"}, "grant.type"),
        ({"client_id": None}, "client.unknown"),
    ],
)
async def test_a_wrong_exchange_is_noticed(
    autojump_clock: MockClock, changes: dict[str, str | None], rule: str
) -> None:
    async with scene() as s:
        await s.client.register()
        reply = await s.client.exchange(await s.client.authorize(), **changes)
        assert reply.status in {400, 401}
        assert s.broken == [rule]


async def test_a_code_used_twice_is_noticed_and_ends_what_it_gave(
    autojump_clock: MockClock,
) -> None:
    async with scene() as s:
        await s.client.register()
        code = await s.client.authorize()
        assert (await s.client.exchange(code)).status == 200
        assert error_of(await s.client.exchange(code)) == "invalid_grant"
        assert "code.reused" in s.broken
        assert (await s.client.call(s.server.url)).status == 401


async def test_a_code_of_another_client_is_noticed(
    autojump_clock: MockClock,
) -> None:
    async with scene() as s:
        await s.client.register()
        code = await s.client.authorize()
        await s.client.register()
        assert error_of(await s.client.exchange(code)) == "invalid_grant"
        assert s.broken == ["code.client"]


async def test_a_provider_may_do_without_resources(autojump_clock: MockClock) -> None:
    async with scene(Rules(resource_required=False)) as s:
        await s.client.register()
        code = await s.client.authorize(resource="")
        assert (await s.client.exchange(code, resource=None)).status == 200
        assert (await s.client.refresh(resource=None)).status == 200
        assert s.broken == []


async def test_a_code_that_waited_too_long_is_refused_without_blame(
    autojump_clock: MockClock,
) -> None:
    async with scene() as s:
        await s.client.register()
        code = await s.client.authorize()
        await trio.sleep(60)
        assert error_of(await s.client.exchange(code)) == "invalid_grant"
        assert s.broken == []


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"refresh_token": "refresh-of-somebody"}, "refresh.foreign"),
        ({"resource": None}, "resource.missing"),
        ({"resource": "https://elsewhere.example/mcp"}, "resource.other"),
        ({"scope": "mcp:read mcp:write"}, "refresh.wider_scope"),
    ],
)
async def test_a_wrong_refresh_is_noticed(
    autojump_clock: MockClock, changes: dict[str, str | None], rule: str
) -> None:
    async with scene() as s:
        await s.client.log_in()
        assert (await s.client.refresh(**changes)).status == 400
        assert s.broken == [rule]


async def test_the_refresh_token_of_another_client_is_noticed(
    autojump_clock: MockClock,
) -> None:
    async with scene() as s:
        await s.client.log_in()
        await s.client.register()
        assert error_of(await s.client.refresh()) == "invalid_grant"
        assert s.broken == ["refresh.client"]


async def test_a_request_that_is_no_form_is_noticed(autojump_clock: MockClock) -> None:
    async with scene() as s:
        await s.client.log_in()
        form = {"Content-Type": FORM}
        for method, path, body, headers in (
            ("GET", "/token", b"", form),
            ("POST", "/token", b"{}", {"Content-Type": "application/json"}),
            ("POST", "/token?client_secret=s", b"", form),
            ("POST", "/token", b"a=1&a=2", form),
            ("POST", "/token", b"a=", form),
        ):
            await s.client.send(method, path, body=body, headers=headers)
        assert s.broken == [
            "request.method",
            "request.content_type",
            "request.query",
            "parameter.repeated",
            "parameter.empty",
        ]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"client_name": ""}, "registration.client_name"),
        ({"response_types": ["token"]}, "registration.response_types"),
        ({"grant_types": ["authorization_code"]}, "registration.grant_types"),
        ({"token_endpoint_auth_method": "tls"}, "registration.auth_method"),
        ({"application_type": "web"}, "registration.application_type"),
        ({"redirect_uris": []}, "registration.redirect_uris"),
    ],
)
async def test_a_wrong_registration_is_noticed(
    autojump_clock: MockClock, changes: dict[str, Any], rule: str
) -> None:
    async with scene() as s:
        assert (await s.client.register(**changes)).status == 400
        assert s.broken == [rule]


async def test_a_redirect_over_plain_http_elsewhere_cannot_be_registered(
    autojump_clock: MockClock,
) -> None:
    async with scene() as s:
        far = {"redirect_uris": ["http://far.example/cb"], "application_type": "web"}
        assert error_of(await s.client.register(**far)) == "invalid_redirect_uri"
        assert s.broken == ["registration.redirect_uris"]


# --- rotation ---------------------------------------------------------------------


async def test_a_used_refresh_token_is_noticed_and_ends_the_family(
    autojump_clock: MockClock,
) -> None:
    async with scene() as s:
        await s.client.log_in()
        old = s.client.refresh_token
        await s.client.refresh()
        assert s.client.refresh_token != old
        await trio.sleep(1)
        assert error_of(await s.client.refresh(refresh_token=old)) == "invalid_grant"
        assert s.broken == ["refresh.reused"]
        assert (await s.client.call(s.server.url)).status == 401
        assert error_of(await s.client.refresh()) == "invalid_grant"
        assert s.broken == ["refresh.reused"]  # the client learnt it just now
        await s.client.refresh()
        assert s.broken == ["refresh.reused", "refresh.hopeless"]


async def test_grace_forgives_an_old_refresh_token_for_a_while(
    autojump_clock: MockClock,
) -> None:
    async with scene(Rules(grace=30)) as s:
        await s.client.log_in()
        old = s.client.refresh_token
        await s.client.refresh()
        await trio.sleep(30)
        assert (await s.client.refresh(refresh_token=old)).status == 200
        assert s.broken == []
        assert (s.provider.counts.refreshes, s.provider.counts.graced) == (2, 1)
        await trio.sleep(1)
        assert (await s.client.refresh(refresh_token=old)).status == 400
        assert s.broken == ["refresh.reused"]


async def test_without_rotation_a_refresh_token_lives_on(
    autojump_clock: MockClock,
) -> None:
    rules = Rules(rotation=False, refresh_lifetime=100, access_dies_on_refresh=True)
    async with scene(rules) as s:
        await s.client.log_in()
        before = s.client.access_token
        for _ in range(3):
            assert "refresh_token" not in (await s.client.refresh()).json
        assert s.provider.token(before) != s.provider.token(s.client.access_token)
        s.client.access_token = before
        assert (await s.client.call(s.server.url)).status == 401
        await trio.sleep(100)
        assert error_of(await s.client.refresh()) == "invalid_grant"
        assert s.broken == []


async def test_a_refresh_may_ask_for_less(autojump_clock: MockClock) -> None:
    rules = Rules(scopes_supported=None, granted=("a", "b"))
    async with scene(rules) as s:
        await s.client.register()
        await s.client.exchange(await s.client.authorize(scope="a b c"))
        assert (await s.client.refresh(scope="b")).json["scope"] == "b"
        assert (await s.client.refresh()).json["scope"] == "a b"


async def test_refresh_tokens_may_be_bound_to_offline_access(
    autojump_clock: MockClock,
) -> None:
    async with scene(Rules(refresh_needs_offline_access=True)) as s:
        await s.client.log_in()
        assert not s.client.refresh_token
        code = await s.client.authorize(scope="mcp:read offline_access")
        assert "refresh_token" in (await s.client.exchange(code)).json


async def test_an_operator_ends_logins_and_tokens(autojump_clock: MockClock) -> None:
    async with scene() as s:
        await s.client.log_in()
        s.provider.tokens.reject_access()
        assert (await s.client.call(s.server.url)).status == 401
        assert (await s.client.refresh()).status == 200
        assert (await s.client.call(s.server.url)).status == 200
        s.provider.tokens.revoke_everything()
        assert (await s.client.call(s.server.url)).status == 401
        assert error_of(await s.client.refresh()) == "invalid_grant"
        assert s.broken == []


# --- metadata ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "path"),
    [
        ("rfc8414", "/.well-known/oauth-authorization-server/tenant"),
        ("oidc", "/.well-known/openid-configuration/tenant"),
        ("oidc_appended", "/tenant/.well-known/openid-configuration"),
        ("underscore", "/tenant/.well-known/openid_configuration"),
    ],
)
async def test_metadata_is_found_where_the_rules_say(
    autojump_clock: MockClock, form: Any, path: str
) -> None:
    rules = Rules(well_known=frozenset({form}))
    async with scene(rules, issuer="http://127.0.0.1:9400/tenant") as s:
        reply = await visit(s.network, f"http://127.0.0.1:9400{path}")
        assert reply.json["issuer"] == "http://127.0.0.1:9400/tenant"
        other = "http://127.0.0.1:9400/.well-known/oauth-authorization-server"
        assert (await visit(s.network, other)).status == 404
        assert s.provider.counts.requests == {"metadata": 1, "unknown": 1}
        await s.client.log_in()
        assert s.broken == []


async def test_metadata_says_what_a_test_wants(autojump_clock: MockClock) -> None:
    rules = Rules(registration=False, revocation=False, device=False)
    async with scene(rules) as s:
        s.provider.metadata_changes |= {
            "code_challenge_methods_supported": OMIT,
            "issuer": "https://evil.example",
        }
        url = f"{s.provider.issuer}/.well-known/oauth-authorization-server"
        said = (await visit(s.network, url)).json
        assert said["issuer"] == "https://evil.example"
        assert not said.keys() & {
            "code_challenge_methods_supported",
            "registration_endpoint",
            "revocation_endpoint",
            "device_authorization_endpoint",
            "client_id_metadata_document_supported",
        }
        assert (await s.client.register()).status == 404


async def test_a_token_sent_for_metadata_is_noticed(autojump_clock: MockClock) -> None:
    async with scene() as s:
        path = "/.well-known/oauth-authorization-server"
        bearer = {"Authorization": "Bearer t"}
        await s.client.send("POST", path, body=msgspec.json.encode({}), headers=bearer)
        assert s.broken == ["metadata.method", "metadata.token"]


async def test_a_clock_set_wrong_moves_with_the_epoch(
    autojump_clock: MockClock,
) -> None:
    async with scene() as s:
        await s.client.log_in()
        s.provider.core.epoch += 3600
        assert (await s.client.call(s.server.url)).status == 401
