"""The walk from a server's address to its authorization server."""

from collections.abc import Mapping

import pytest
from mcp_types.version import LATEST_HANDSHAKE_VERSION

from bridge.errors import (
    AddressRefused,
    DiscoveryFailed,
    IssuerRefused,
    OAuthError,
    ProviderUnavailable,
)
from bridge.oauth.challenge import BearerChallenge
from bridge.oauth.discovery import discover
from bridge.oauth.http import (
    HttpFailure,
    HttpReply,
    HttpRequest,
    HttpResponse,
    Step,
)
from bridge.oauth.inquiry import MAX_ADDRESSES, REVISION
from bridge.oauth.provider import Discovered, Provider
from bridge.oauth.settings import OAuthSettings
from kit.providers import PROVIDERS, address, document, issuer
from kit.steps import Dialogue, Replies, answer, run_steps

H = "https://mcp.example"
SERVER = f"{H}/sse"
RESOURCE_PATH = f"{H}/.well-known/oauth-protected-resource/sse"
RESOURCE_ROOT = f"{H}/.well-known/oauth-protected-resource"
AUTH = "https://auth.example"
AUTH_METADATA = f"{AUTH}/.well-known/oauth-authorization-server"
OTHER = "https://other.example"
OTHER_METADATA = f"{OTHER}/.well-known/oauth-authorization-server"
OWN = (
    f"{H}/.well-known/oauth-authorization-server/sse",
    f"{SERVER}/.well-known/openid-configuration",
    f"{SERVER}/.well-known/openid_configuration",
    f"{SERVER}/.well-known/oauth-authorization-server",
    f"{H}/.well-known/openid-configuration",
    f"{H}/.well-known/openid_configuration",
    f"{H}/.well-known/oauth-authorization-server",
)
NO_ANSWER = HttpFailure(reason="connection refused")


def settings(url: str = SERVER, **changes: object) -> OAuthSettings:
    made: dict[str, object] = {"name": "remote", "server_url": url, **changes}
    return OAuthSettings(**made)  # pyright: ignore[reportArgumentType]


def walk(
    replies: Replies, setting: OAuthSettings | None = None, *, challenge: str = ""
) -> Dialogue[Discovered]:
    said = BearerChallenge(resource_metadata=challenge)
    return run_steps(discover(setting or settings(), said), replies)


def refused(
    kind: type[OAuthError],
    replies: Replies,
    setting: OAuthSettings | None = None,
    *,
    challenge: str = "",
) -> tuple[OAuthError, list[str]]:
    """The error a walk ends with, and the addresses it asked."""
    requests: list[HttpRequest] = []
    said = BearerChallenge(resource_metadata=challenge)
    with pytest.raises(kind) as raised:
        run_steps(discover(setting or settings(), said), replies, requests=requests)
    assert type(raised.value) is kind
    return raised.value, [request.url for request in requests]


def metadata(name: str, **changes: object) -> HttpResponse:
    base = name.removesuffix("/")
    usual = {
        "issuer": name,
        "authorization_endpoint": f"{base}/authorize",
        "token_endpoint": f"{base}/token",
    }
    return answer({**usual, **changes})


def resource(*servers: str, name: str = SERVER, **changes: object) -> HttpResponse:
    return answer({"resource": name, "authorization_servers": list(servers), **changes})


# --- the order


@pytest.mark.requirement("R70", "R78")
def test_the_challenge_says_where_to_begin_and_nothing_else_is_asked() -> None:
    custom = f"{H}/custom/location.json"
    found = walk(
        {custom: resource(AUTH), AUTH_METADATA: metadata(AUTH)}, challenge=custom
    )
    assert found.urls == [custom, AUTH_METADATA]
    assert found.result.provider.issuer == AUTH
    assert found.result.resource == SERVER
    assert found.result.tried == (f"{custom} (200)", f"{AUTH_METADATA} (200)")


@pytest.mark.requirement("R76", "D5")
def test_only_bodiless_gets_without_a_token_are_sent() -> None:
    made = walk({RESOURCE_PATH: resource(AUTH), AUTH_METADATA: metadata(AUTH)})
    for request in made.requests:
        assert request.method == "GET"
        assert request.body is None
        assert set(request.headers) == {"Accept", "MCP-Protocol-Version"}
    steps = [request.step for request in made.requests]
    assert steps == [Step.RESOURCE_METADATA, Step.SERVER_METADATA]
    assert REVISION == LATEST_HANDSHAKE_VERSION


@pytest.mark.requirement("R68", "R69", "R70", "D1", "D2", "D3")
@pytest.mark.parametrize(
    ("url", "own"),
    [
        (SERVER, OWN),
        (f"{SERVER}/", OWN),
        ("wss://mcp.example/sse", OWN),
        (H, OWN[4:]),
    ],
)
def test_without_metadata_every_address_is_asked_once_in_the_guides_order(
    url: str, own: tuple[str, ...]
) -> None:
    setting = settings(url, issuer=f"{AUTH}/t")
    _, asked = refused(DiscoveryFailed, {}, setting)
    resources = [RESOURCE_ROOT] if url == H else [RESOURCE_PATH, RESOURCE_ROOT]
    assert asked == [
        *resources,
        *own,
        f"{AUTH}/.well-known/oauth-authorization-server/t",
        f"{AUTH}/.well-known/openid-configuration/t",
        f"{AUTH}/t/.well-known/openid-configuration",
    ]


@pytest.mark.requirement("R71", "R34")
@pytest.mark.parametrize("name", PROVIDERS)
def test_each_provider_is_found_from_the_resource(name: str) -> None:
    replies = {
        RESOURCE_PATH: resource(issuer(name)),
        address(name): answer(document(name)),
    }
    provider = walk(replies).result.provider
    assert provider.issuer == issuer(name)
    assert provider.token_endpoint == document(name)["token_endpoint"]


@pytest.mark.requirement("R71", "D21")
@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("slash", ["", "/"])
def test_each_provider_is_found_from_the_configuration(name: str, slash: str) -> None:
    written = issuer(name).removesuffix("/") + slash
    found = walk({address(name): answer(document(name))}, settings(issuer=written))
    assert found.result.provider.issuer == issuer(name)


@pytest.mark.requirement("R70")
def test_resource_metadata_that_names_no_server_still_gives_its_name() -> None:
    replies = {
        RESOURCE_ROOT: resource(name=H, scopes_supported=["read"]),
        OWN[6]: metadata(H),
    }
    found = walk(replies).result
    assert (found.resource, found.resource_scopes) == (H, ("read",))
    assert found.provider.issuer == H


@pytest.mark.requirement("R91", "D5")
def test_the_resource_is_sent_exactly_as_published() -> None:
    published = "https://MCP.example:443/"
    replies = {
        RESOURCE_PATH: resource(AUTH, name=published),
        AUTH_METADATA: metadata(AUTH),
    }
    assert walk(replies).result.resource == published
    chosen = settings(additional_params={"resource": "myapp"})
    assert walk(replies, chosen).result.resource == "myapp"


# --- documents that are not believed


@pytest.mark.requirement("R72", "D5")
def test_another_resource_is_refused_and_the_next_address_asked() -> None:
    replies = {
        RESOURCE_PATH: resource(OTHER, name="https://evil.example/sse"),
        RESOURCE_ROOT: resource(AUTH, name=H),
        AUTH_METADATA: metadata(AUTH),
    }
    found = walk(replies)
    assert found.result.provider.issuer == AUTH
    assert found.result.tried[0] == (
        f"{RESOURCE_PATH} (refused: its resource is https://evil.example/sse)"
    )


@pytest.mark.requirement("R72", "D5")
def test_a_server_whose_resource_is_another_is_not_guessed_at() -> None:
    replies = {
        RESOURCE_PATH: resource(AUTH, name="https://evil.example/sse"),
        AUTH_METADATA: metadata(AUTH),
        OWN[6]: metadata(H),
    }
    error, asked = refused(DiscoveryFailed, replies)
    assert asked == [RESOURCE_PATH, RESOURCE_ROOT]
    assert "https://evil.example/sse" in error.public
    assert "RFC 9728" in error.rule
    found = walk(replies, settings(issuer=AUTH)).result
    assert (found.provider.issuer, found.resource) == (AUTH, SERVER)


@pytest.mark.requirement("R72", "D4")
def test_metadata_of_another_issuer_is_refused_and_the_next_address_asked() -> None:
    replies = {
        RESOURCE_PATH: resource(AUTH),
        AUTH_METADATA: metadata("https://evil.example"),
        f"{AUTH}/.well-known/openid-configuration": metadata(AUTH),
    }
    found = walk(replies).result
    assert found.provider.token_endpoint == f"{AUTH}/token"
    assert "its issuer is https://evil.example" in found.tried[1]


@pytest.mark.requirement("R72", "D4")
@pytest.mark.parametrize("other", ["https://evil.example", f"{AUTH}/", AUTH.upper()])
def test_an_advertised_issuer_that_is_nowhere_its_own_is_refused(other: str) -> None:
    replies = {
        RESOURCE_PATH: resource(AUTH),
        AUTH_METADATA: metadata(other),
        OWN[6]: metadata(H),
    }
    error, asked = refused(IssuerRefused, replies)
    assert asked == [
        RESOURCE_PATH,
        AUTH_METADATA,
        f"{AUTH}/.well-known/openid-configuration",
    ]
    assert other in error.answered
    assert "RFC 8414" in error.rule
    assert "issuer" in error.advice


@pytest.mark.requirement("D21")
def test_configuring_the_issuer_settles_a_slash_its_server_gets_wrong() -> None:
    replies = {
        RESOURCE_PATH: resource(AUTH),
        AUTH_METADATA: metadata(f"{AUTH}/"),
    }
    found = walk(replies, settings(issuer=f"{AUTH}/")).result
    assert found.provider.issuer == f"{AUTH}/"


def test_the_second_of_the_advertised_is_asked_when_the_first_has_nothing() -> None:
    replies = {
        RESOURCE_PATH: resource(OTHER, AUTH),
        AUTH_METADATA: metadata(AUTH),
    }
    assert walk(replies).result.provider.issuer == AUTH


@pytest.mark.requirement("R70", "D4")
def test_a_server_that_moves_to_another_issuer_is_followed_there() -> None:
    replies = {
        RESOURCE_PATH: resource(AUTH),
        AUTH_METADATA: metadata(AUTH),
        OTHER_METADATA: metadata(OTHER),
    }
    assert walk(replies).result.provider.issuer == AUTH
    replies[RESOURCE_PATH] = resource(OTHER)
    assert walk(replies).result.provider.token_endpoint == f"{OTHER}/token"


# --- the pin


@pytest.mark.requirement("R74")
def test_a_configured_issuer_refuses_another_one() -> None:
    replies = {RESOURCE_PATH: resource(OTHER), OTHER_METADATA: metadata(OTHER)}
    error, asked = refused(IssuerRefused, replies, settings(issuer=AUTH))
    assert asked == [RESOURCE_PATH]
    assert error.public == (
        "server 'remote' names the authorization server https://other.example, "
        "not the configured issuer https://auth.example"
    )
    assert error.rule
    assert "issuer" in error.advice


@pytest.mark.requirement("R74")
@pytest.mark.parametrize("pin", [True, False])
def test_of_several_issuers_the_configured_one_is_taken(*, pin: bool) -> None:
    replies = {
        RESOURCE_PATH: resource(OTHER, AUTH),
        AUTH_METADATA: metadata(AUTH),
        OTHER_METADATA: metadata(OTHER),
    }
    found = walk(replies, settings(issuer=AUTH, pin_issuer=pin))
    assert found.urls == [RESOURCE_PATH, AUTH_METADATA]


@pytest.mark.requirement("R74")
def test_without_the_pin_the_configured_issuer_is_only_a_fallback() -> None:
    loose = settings(issuer=AUTH, pin_issuer=False)
    replies: dict[str, HttpReply] = {
        RESOURCE_PATH: resource(OTHER),
        AUTH_METADATA: metadata(AUTH),
    }
    assert walk(replies, loose).result.provider.issuer == AUTH
    replies[OTHER_METADATA] = metadata(OTHER)
    assert walk(replies, loose).result.provider.issuer == OTHER


@pytest.mark.requirement("R74")
def test_a_pinned_issuer_passes_over_what_the_server_says_of_itself() -> None:
    replies = {OWN[6]: metadata(H), AUTH_METADATA: metadata(AUTH)}
    found = walk(replies, settings(issuer=AUTH)).result
    assert found.provider.issuer == AUTH
    assert f"{OWN[6]} (refused: its issuer is {H})" in found.tried
    del replies[AUTH_METADATA]
    error, _ = refused(IssuerRefused, replies, settings(issuer=AUTH))
    assert H in error.answered


# --- servers of 2025-03-26


@pytest.mark.requirement("R68", "D3")
@pytest.mark.parametrize("url", OWN)
def test_a_server_may_be_its_own_authorization_server(url: str) -> None:
    base = SERVER if url in OWN[:4] else H
    for name in (base, f"{base}/"):
        found = walk({url: metadata(name)})
        assert found.urls[-1] == url
        assert found.result.provider.issuer == name
        assert found.result.resource == SERVER


@pytest.mark.requirement("R68", "R143")
@pytest.mark.parametrize("url", OWN)
def test_an_issuer_named_at_the_servers_address_is_asked_itself(url: str) -> None:
    hint = metadata(AUTH, token_endpoint="https://evil.example/token")
    found = walk({url: hint, AUTH_METADATA: metadata(AUTH)})
    assert found.urls[-2:] == [url, AUTH_METADATA]
    assert found.result.provider.token_endpoint == f"{AUTH}/token"
    assert f"{url} (200, names the issuer {AUTH})" in found.result.tried


@pytest.mark.requirement("R72", "D4")
def test_an_issuer_that_does_not_own_up_to_its_name_is_not_used() -> None:
    replies = {OWN[4]: metadata(AUTH), AUTH_METADATA: metadata(OTHER)}
    error, _ = refused(IssuerRefused, replies)
    assert OTHER in error.answered


@pytest.mark.requirement("R76")
def test_an_address_is_asked_once_however_many_lead_to_it() -> None:
    hint = metadata(AUTH)
    found = walk({**dict.fromkeys(OWN[:6], hint), OWN[6]: metadata(H)})
    assert found.urls.count(AUTH_METADATA) == 1
    assert found.result.provider.issuer == H


@pytest.mark.requirement("R76")
def test_a_server_that_sends_us_around_is_left() -> None:
    hints = {url: metadata(f"https://as{n}.example/t") for n, url in enumerate(OWN)}
    error, asked = refused(DiscoveryFailed, hints)
    assert len(asked) == MAX_ADDRESSES
    assert isinstance(error, DiscoveryFailed)
    assert len(error.tried) == MAX_ADDRESSES


@pytest.mark.requirement("D6")
@pytest.mark.parametrize("url", [SERVER, "http://127.0.0.1:3000/mcp"])
def test_with_nothing_at_all_the_default_paths_are_used(url: str) -> None:
    origin = url.rpartition("/")[0]
    found = walk({}, settings(url)).result
    assert found.provider == Provider(
        issuer=origin,
        authorization_endpoint=f"{origin}/authorize",
        token_endpoint=f"{origin}/token",
        registration_endpoint=f"{origin}/register",
        source="defaults",
    )
    assert found.provider.code_challenge_methods_supported is None
    assert len(found.tried) == 9


def test_resource_metadata_without_servers_does_not_forbid_the_default_paths() -> None:
    found = walk({RESOURCE_PATH: resource()}).result
    assert found.provider.source == "defaults"


# --- configured endpoints


@pytest.mark.requirement("R78")
@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"authorization_url": f"{AUTH}/a"}, AUTH),
        ({"authorization_url": f"{AUTH}/a", "issuer": f"{AUTH}/t"}, f"{AUTH}/t"),
        ({"grant": "client_credentials"}, OTHER),
        ({"authorization_url": f"{AUTH}/a", "registration_url": f"{AUTH}/r"}, AUTH),
    ],
)
def test_configured_endpoints_ask_nobody(
    changes: Mapping[str, str], named: str
) -> None:
    setting = settings(token_url=f"{OTHER}/t", **changes)
    found = walk({}, setting)
    assert found.urls == []
    assert found.result == Discovered(
        provider=Provider(
            issuer=named,
            authorization_endpoint=changes.get("authorization_url", ""),
            token_endpoint=f"{OTHER}/t",
            registration_endpoint=changes.get("registration_url", ""),
            source="configured",
        ),
        resource=SERVER,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"token_url": f"{OTHER}/t"},
        {"token_url": f"{OTHER}/t", "registration_url": f"{OTHER}/r"},
        {
            "token_url": f"{OTHER}/t",
            "authorization_url": f"{OTHER}/a",
            "grant": "device_code",
        },
    ],
)
def test_endpoints_that_are_not_all_complete_what_is_discovered(
    changes: Mapping[str, str],
) -> None:
    device = f"{AUTH}/device"
    replies = {
        RESOURCE_PATH: resource(AUTH),
        AUTH_METADATA: metadata(AUTH, device_authorization_endpoint=device),
    }
    provider = walk(replies, settings(**changes)).result.provider
    assert provider.token_endpoint == f"{OTHER}/t"
    assert provider.registration_endpoint == changes.get("registration_url", "")
    assert provider.authorization_endpoint == changes.get(
        "authorization_url", f"{AUTH}/authorize"
    )
    assert (provider.device_authorization_endpoint, provider.issuer) == (device, AUTH)


@pytest.mark.requirement("R75", "D6", "D7")
@pytest.mark.parametrize(
    "changes",
    [
        {"token_url": "http://as.example/t", "authorization_url": f"{AUTH}/a"},
        {"token_url": f"{AUTH}/t", "authorization_url": "https://as.example/$(id)"},
        {"server_url": "http://mcp.example/sse"},
        {"server_url": "ws://mcp.example/sse"},
        {"issuer": "http://auth.example"},
    ],
)
def test_configured_addresses_are_checked_too(changes: Mapping[str, str]) -> None:
    url = changes.get("server_url", SERVER)
    others = {name: value for name, value in changes.items() if name != "server_url"}
    refused(AddressRefused, {}, settings(url, **others))


# --- addresses that are not asked


@pytest.mark.requirement("R75", "D7")
def test_a_challenge_that_points_to_no_good_address_is_passed_over() -> None:
    replies = {RESOURCE_PATH: resource(AUTH), AUTH_METADATA: metadata(AUTH)}
    plain = "http://mcp.example/metadata?token=secret"
    found = walk(replies, challenge=plain)
    assert found.urls == [RESOURCE_PATH, AUTH_METADATA]
    assert found.result.tried[0] == (
        "http://mcp.example/metadata "
        "(refused: it is not https, and not on this machine)"
    )


@pytest.mark.requirement("R151", "D7")
def test_a_challenge_whose_address_leads_inside_is_passed_over() -> None:
    inside = "https://INSIDE.example/metadata"
    replies = {
        inside.lower(): HttpFailure(reason="a private address", refused=True),
        RESOURCE_PATH: resource(AUTH),
        AUTH_METADATA: metadata(AUTH),
    }
    found = walk(replies, challenge=inside)
    assert found.result.provider.issuer == AUTH
    assert found.result.tried[0] == (
        "https://inside.example/metadata (refused: a private address)"
    )


@pytest.mark.requirement("R151", "D7")
def test_an_issuer_whose_address_leads_inside_is_refused() -> None:
    replies = {
        RESOURCE_PATH: resource(AUTH),
        AUTH_METADATA: HttpFailure(reason="a private address", refused=True),
    }
    error, _ = refused(AddressRefused, replies)
    assert "a private address" in error.public


@pytest.mark.requirement("R75", "D7")
@pytest.mark.parametrize(
    "name",
    [
        "http://auth.example",
        "http://169.254.169.254",
        "javascript:alert(1)",
        "http://localhost:9000",
        "https://127.0.0.1",
        f"{AUTH}?x=1",
    ],
)
@pytest.mark.parametrize("at", [RESOURCE_PATH, OWN[4]])
def test_an_issuer_that_may_not_be_asked_is_refused(name: str, at: str) -> None:
    said = resource(name) if at == RESOURCE_PATH else metadata(name)
    _, asked = refused(AddressRefused, {at: said})
    assert asked[-1] == at


@pytest.mark.requirement("R75")
def test_a_server_on_this_machine_may_have_its_issuer_here() -> None:
    local, server = "http://localhost:9000", "http://127.0.0.1:3000/mcp"
    at = "http://127.0.0.1:3000/.well-known/oauth-protected-resource/mcp"
    replies = {
        at: resource(local, name=server),
        f"{local}/.well-known/oauth-authorization-server": metadata(local),
    }
    assert walk(replies, settings(server)).result.provider.issuer == local


@pytest.mark.requirement("R75")
def test_a_configured_issuer_may_be_on_this_machine() -> None:
    local = "http://localhost:9000"
    replies = {f"{local}/.well-known/oauth-authorization-server": metadata(local)}
    found = walk(replies, settings(issuer=local)).result
    assert found.provider.issuer == local


# --- answers that are none


@pytest.mark.requirement("R70")
@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize("at", [RESOURCE_PATH, RESOURCE_ROOT])
def test_an_outage_of_the_resource_is_no_absence(status: int, at: str) -> None:
    outage = HttpResponse(status=status, headers={"retry-after": "7"})
    replies = {at: outage, OWN[4]: metadata(H)}
    error, asked = refused(ProviderUnavailable, replies, settings(issuer=AUTH))
    assert asked[-1] == at
    assert isinstance(error, ProviderUnavailable)
    assert error.retry_after == 7
    assert (error.asked, error.answered) == (f"GET {at}", str(status))


@pytest.mark.parametrize("wish", ["", "soon", "-1", "1.5", "9999999", "\u0667"])
def test_a_wish_that_cannot_be_read_is_none(wish: str) -> None:
    outage = HttpResponse(status=503, headers={"retry-after": wish})
    error, _ = refused(ProviderUnavailable, {RESOURCE_PATH: outage})
    assert isinstance(error, ProviderUnavailable)
    assert error.retry_after is None


def test_no_answer_is_no_absence() -> None:
    error, _ = refused(ProviderUnavailable, {RESOURCE_PATH: NO_ANSWER})
    assert "connection refused" in error.public


@pytest.mark.parametrize("outage", [HttpResponse(status=503), NO_ANSWER])
def test_an_outage_of_the_issuer_ends_the_walk_unless_another_address_answers(
    outage: HttpReply,
) -> None:
    openid = f"{AUTH}/.well-known/openid-configuration"
    replies = {RESOURCE_PATH: resource(AUTH), AUTH_METADATA: outage}
    error, asked = refused(ProviderUnavailable, replies)
    assert asked[-1] == openid
    assert AUTH_METADATA in error.public
    assert walk({**replies, openid: metadata(AUTH)}).result.provider.issuer == AUTH


def test_during_an_outage_nothing_is_guessed() -> None:
    replies: dict[str, HttpReply] = {OWN[2]: HttpResponse(status=500)}
    refused(ProviderUnavailable, replies)
    replies[AUTH_METADATA] = metadata(AUTH)
    found = walk(replies, settings(issuer=AUTH)).result
    assert found.provider.issuer == AUTH


@pytest.mark.requirement("R70", "R73")
@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (HttpResponse(status=404), "404"),
        (HttpResponse(status=401), "401"),
        (HttpResponse(status=403), "403"),
        (HttpResponse(status=405), "405"),
        (HttpResponse(status=302, headers={"location": AUTH}), "302"),
        (HttpResponse(status=204), "204"),
        (HttpResponse(status=200, body=b"<html>"), "200, no JSON object"),
        (HttpResponse(status=200, body=b"[]"), "200, no JSON object"),
        (answer({}), "200, no protected resource metadata"),
    ],
)
def test_what_is_no_metadata_is_absent_and_named(
    reply: HttpReply, verdict: str
) -> None:
    found = walk({RESOURCE_PATH: reply, OWN[4]: metadata(H)}).result
    assert found.provider.issuer == H
    assert found.tried[0] == f"{RESOURCE_PATH} ({verdict})"


def test_a_document_without_issuer_is_absent_and_named() -> None:
    found = walk({OWN[0]: answer({"a": 1}), OWN[6]: metadata(H)}).result
    assert "it names no issuer" in found.tried[2]
    replies = {RESOURCE_PATH: resource(AUTH), AUTH_METADATA: answer({"a": 1})}
    error, _ = refused(DiscoveryFailed, replies)
    assert "it names no issuer" in error.answered


def test_metadata_without_token_endpoint_is_refused() -> None:
    replies = {
        RESOURCE_PATH: resource(AUTH),
        AUTH_METADATA: metadata(AUTH, token_endpoint=None),
    }
    error, _ = refused(DiscoveryFailed, replies)
    assert "it names no token_endpoint" in error.public


def test_a_login_needs_an_authorization_endpoint_other_grants_do_not() -> None:
    replies = {
        RESOURCE_PATH: resource(AUTH),
        AUTH_METADATA: metadata(AUTH, authorization_endpoint=None),
    }
    error, _ = refused(DiscoveryFailed, replies)
    assert "authorization_endpoint" in error.public
    for grant in ("client_credentials", "device_code"):
        assert walk(replies, settings(grant=grant)).result.provider.issuer == AUTH


# --- what people read


@pytest.mark.requirement("R73", "R159")
def test_a_failure_lists_every_address_with_its_status() -> None:
    replies: dict[str, HttpReply] = {OWN[1]: HttpResponse(status=403)}
    error, asked = refused(DiscoveryFailed, replies, settings(issuer=AUTH))
    assert isinstance(error, DiscoveryFailed)
    assert error.tried == tuple(
        f"{url} ({403 if url == OWN[1] else 404})" for url in asked
    )
    assert "configured issuer https://auth.example" in error.public
    assert error.advice


@pytest.mark.requirement("R73", "R159")
def test_a_failure_without_issuer_says_so() -> None:
    error, _ = refused(DiscoveryFailed, {RESOURCE_PATH: resource(AUTH)})
    assert error.public == (
        "No issuer configured and discovery failed for server 'remote'"
    )
    assert isinstance(error, DiscoveryFailed)
    assert len(error.tried) == 3


@pytest.mark.requirement("R103", "R73")
def test_no_query_of_an_address_is_shown() -> None:
    url = f"{SERVER}?api_key=secret"
    error, _ = refused(DiscoveryFailed, {}, settings(url, issuer=AUTH))
    assert "secret" not in repr(vars(error))
