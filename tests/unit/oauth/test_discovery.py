"""The walk from a server's address to its authorization server."""

import pytest
from mcp_types.version import LATEST_HANDSHAKE_VERSION

from bridge.errors import (
    DiscoveryFailed,
    IssuerRefused,
)
from bridge.oauth.http import HttpReply, HttpResponse, Step
from bridge.oauth.inquiry import MAX_ADDRESSES, REVISION
from bridge.oauth.provider import Provider
from kit.discovery import (
    AUTH,
    AUTH_METADATA,
    OTHER,
    OTHER_METADATA,
    OWN,
    RESOURCE_PATH,
    RESOURCE_ROOT,
    SERVER,
    H,
    metadata,
    refused,
    resource,
    settings,
    walk,
)
from kit.provider_documents import PROVIDERS, address, document, issuer
from kit.steps import answer

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
@pytest.mark.parametrize(
    "other", ["https://evil.example", f"{AUTH}//", f"{AUTH}/x", AUTH.upper()]
)
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


@pytest.mark.requirement("D4", "D21")
@pytest.mark.parametrize(
    ("advertised", "own"), [(f"{AUTH}/", AUTH), (AUTH, f"{AUTH}/")]
)
def test_one_slash_of_an_advertised_issuer_is_forgiven(
    advertised: str, own: str
) -> None:
    replies = {RESOURCE_PATH: resource(advertised), AUTH_METADATA: metadata(own)}
    assert walk(replies).result.provider.issuer == own
    assert walk(replies, settings(issuer=AUTH)).result.provider.issuer == own


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
