"""What discovery does not ask, does not take for an answer, and need not ask."""

from collections.abc import Mapping

import pytest

from bridge.errors import (
    AddressRefused,
    DiscoveryFailed,
    ProviderUnavailable,
)
from bridge.oauth.http import HttpFailure, HttpReply, HttpResponse
from bridge.oauth.provider import Discovered, Provider
from kit.discovery import (
    AUTH,
    AUTH_METADATA,
    OTHER,
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
from kit.steps import answer

NO_ANSWER = HttpFailure(reason="connection refused")

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
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("at", [RESOURCE_PATH, RESOURCE_ROOT])
def test_an_outage_of_the_resource_is_no_absence(status: int, at: str) -> None:
    outage = HttpResponse(status=status, headers={"retry-after": "7"})
    replies = {at: outage, OWN[4]: metadata(H)}
    error, asked = refused(ProviderUnavailable, replies, settings(issuer=AUTH))
    assert asked[-1] == at
    assert isinstance(error, ProviderUnavailable)
    assert error.retry_after == 7
    assert (error.asked, error.answered) == (f"GET {at}", str(status))
    assert "provider is up" in error.advice


@pytest.mark.parametrize(
    ("wish", "heeded"),
    [
        *((unread, None) for unread in ("", "soon", "-1", "1.5", "\u0667")),
        ("Fri, 31 Dec 1999 23:59:59 GMT", None),  # no clock here to read it by
        ("9999999", 3600),
    ],
)
def test_a_wish_is_heeded_as_far_as_it_can_be_read(
    wish: str, heeded: float | None
) -> None:
    outage = HttpResponse(status=503, headers={"retry-after": wish})
    error, _ = refused(ProviderUnavailable, {RESOURCE_PATH: outage})
    assert isinstance(error, ProviderUnavailable)
    assert error.retry_after == heeded


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
