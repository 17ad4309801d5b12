"""What the doctor makes of what was asked and answered."""

import base64
import json
from typing import Any

import pytest
from msgspec.structs import replace

from bridge.cli.doctor import verdicts
from bridge.cli.doctor.finding import Finding, Outcome
from bridge.cli.doctor.trail import Asked
from bridge.cli.doctor.verdicts import (
    ACCEPTED,
    ISSUER,
    METADATA,
    RESOURCE,
    audience_of,
)
from bridge.cli.knock import Knock
from bridge.errors import (
    AddressRefused,
    DiscoveryFailed,
    IssuerRefused,
    OAuthError,
    ProviderUnavailable,
)
from bridge.oauth.credential import Credential, TokenSet
from bridge.oauth.http import (
    Step,
)
from bridge.oauth.provider import Client, Discovered, Provider
from bridge.oauth.settings import OAuthSettings

NOW = 1_000_000.0
SERVER = "https://mcp.example/mcp"
IDP = "https://id.example"
SETTINGS = OAuthSettings(name="prod", server_url=SERVER)
PROVIDER = Provider(
    issuer=IDP,
    token_endpoint=f"{IDP}/token",
    authorization_endpoint=f"{IDP}/authorize",
    registration_endpoint=f"{IDP}/register",
    code_challenge_methods_supported=("S256",),
)
FOUND = Discovered(provider=PROVIDER, resource=SERVER)
REGISTERED = Client(issuer=IDP, client_id="abc", source="registered")
RESOURCE_URL = "https://mcp.example/.well-known/oauth-protected-resource/mcp"
METADATA_URL = f"{IDP}/.well-known/oauth-authorization-server"
HONEST = (
    Asked(Step.RESOURCE_METADATA, RESOURCE_URL, "200"),
    Asked(Step.SERVER_METADATA, METADATA_URL, "200"),
)


def held(**changes: Any) -> Credential:
    token = changes.pop("token", "opaque")
    ends = changes.pop("ends", 3600.0)
    refresh = changes.pop("refresh", "r")
    tokens = TokenSet(
        access_token=token, created_at=NOW, expires_in=ends, refresh_token=refresh
    )
    base = Credential(
        tokens=tokens, provider=PROVIDER, client=REGISTERED, resource=SERVER
    )
    return replace(base, **changes)


def brief(finding: Finding) -> tuple[str, str]:
    return finding.outcome.label, finding.said


# --- the door ---

CHALLENGE = f'Bearer resource_metadata="{RESOURCE_URL}?x=1"'


@pytest.mark.parametrize(
    ("status", "challenge", "outcome"),
    [
        (401, CHALLENGE, ("ok", f"401, and names its metadata: {RESOURCE_URL}")),
        (401, "Bearer", ("ok", "401 with a challenge that names no metadata")),
        (
            401,
            "",
            (
                "ok",
                "401 with no challenge (RFC 9110 wants one) that names no metadata",
            ),
        ),
        (200, "", ("ok", "200, and asks for no token")),
        (404, "", ("failed", "this is no address of an MCP server")),
        (503, "", ("failed", "the server itself has failed")),
    ],
)
def test_a_server_with_a_login_may_refuse_who_brings_no_token(
    status: int, challenge: str, outcome: tuple[str, str]
) -> None:
    found = Knock(asked="POST x", status=status, challenge=challenge)
    said = verdicts.door(found, transport="streamablehttp", login=True)
    assert brief(said) == outcome
    if said.outcome is Outcome.FAILED:
        assert (said.asked, said.answered) == ("POST x", str(status))
        assert said.advice


@pytest.mark.parametrize(
    ("status", "transport", "label"),
    [
        (200, None, "ok"),
        (401, None, "failed"),
        (403, "sse", "failed"),
        (400, "websocket", "ok"),
        (426, "websocket", "ok"),
        (405, "sse", "failed"),
        (500, "websocket", "failed"),
    ],
)
def test_a_server_without_a_login_must_let_us_in(
    status: int, transport: str | None, label: str
) -> None:
    found = Knock(asked="GET x", status=status)
    said = verdicts.door(found, transport=transport, login=False)
    assert said.outcome.label == label
    if status in {401, 403}:
        assert "oauth.enabled" in said.advice


# --- discovery ---


def steps_of(
    outcome: Discovered | OAuthError,
    trail: tuple[Asked, ...] = HONEST,
    settings: OAuthSettings = SETTINGS,
) -> dict[str, tuple[str, str]]:
    found = verdicts.discovery(settings, trail, outcome)
    return {each.step: brief(each) for each in found}


def test_an_honest_discovery_is_three_ticks_with_their_addresses() -> None:
    assert steps_of(FOUND) == {
        RESOURCE: ("ok", RESOURCE_URL),
        ISSUER: ("ok", f"{IDP}, as discovered; set oauth.issuer to pin it"),
        METADATA: ("ok", METADATA_URL),
    }


@pytest.mark.parametrize(
    ("issuer", "pinned", "said"),
    [
        (f"{IDP}/", True, f"{IDP}, as configured; pinned"),
        (IDP, False, f"{IDP}, as configured"),
        (
            "https://other.example",
            False,
            f"{IDP}, not the configured one (oauth.pin_issuer is off)",
        ),
    ],
)
def test_an_issuer_is_compared_with_the_configured_one(
    issuer: str, said: str, *, pinned: bool
) -> None:
    settings = replace(SETTINGS, issuer=issuer, pin_issuer=pinned)
    assert steps_of(FOUND, settings=settings)[ISSUER] == ("ok", said)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("configured", "not asked: the endpoints are configured"),
        ("defaults", "none: the default paths of 2025-03-26 are used"),
        ("metadata", IDP),
    ],
)
def test_where_nothing_was_found_it_says_what_is_used(source: Any, said: str) -> None:
    found = replace(FOUND, provider=replace(PROVIDER, source=source))
    assert steps_of(found, ())[METADATA] == ("ok", said)


def test_older_servers_may_have_no_resource_metadata() -> None:
    trail = (Asked(Step.RESOURCE_METADATA, RESOURCE_URL, "404"), HONEST[1])
    assert steps_of(FOUND, trail)[RESOURCE] == (
        "ok",
        "none, as servers of 2025-03-26 have none",
    )


DOWN = (Asked(Step.RESOURCE_METADATA, RESOURCE_URL, "503"),)


@pytest.mark.requirement("R159")
@pytest.mark.parametrize(
    ("error", "trail", "place"),
    [
        (IssuerRefused("x"), HONEST, ISSUER),
        (DiscoveryFailed("x"), DOWN, METADATA),
        (AddressRefused("x"), HONEST[:1], METADATA),
        (ProviderUnavailable("x"), DOWN, RESOURCE),
        (ProviderUnavailable("x"), HONEST, METADATA),
    ],
)
def test_a_failed_discovery_is_explained_at_the_step_that_failed(
    error: OAuthError, trail: tuple[Asked, ...], place: str
) -> None:
    found = steps_of(error, trail)
    assert list(found) == [RESOURCE, ISSUER, METADATA]
    assert [step for step, (label, _) in found.items() if label == "failed"] == [place]
    rest = {
        label for step, (label, _) in found.items() if step not in {place, RESOURCE}
    }
    assert rest == {"skipped"}


def test_an_explanation_holds_all_four_texts() -> None:
    error = IssuerRefused("x", asked="a", answered="b", rule="c", advice="d")
    [said] = [f for f in verdicts.discovery(SETTINGS, HONEST, error) if f.said == "x"]
    assert (said.asked, said.answered, said.rule, said.advice) == ("a", "b", "c", "d")


# --- who we are ---


def test_pkce_is_a_step_of_logins_in_a_browser_only() -> None:
    said = verdicts.pkce(SETTINGS, FOUND)
    assert said is not None
    assert brief(said) == ("ok", "S256")
    assert verdicts.pkce(replace(SETTINGS, grant="device_code"), FOUND) is None


@pytest.mark.requirement("R159", "R95")
def test_a_provider_without_pkce_is_explained_with_the_setting() -> None:
    silent = replace(
        FOUND, provider=replace(PROVIDER, code_challenge_methods_supported=None)
    )
    said = verdicts.pkce(SETTINGS, silent)
    assert said is not None
    assert said.outcome is Outcome.FAILED
    assert "RFC 7636" in said.rule
    assert "allow_unadvertised_pkce" in said.advice
    allowed = verdicts.pkce(replace(SETTINGS, allow_unadvertised_pkce=True), silent)
    assert allowed is not None
    assert brief(allowed) == ("ok", "not advertised; S256 is used")


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (REGISTERED, "abc, as registered; no secret"),
        (replace(REGISTERED, source="configured"), "abc, as configured; no secret"),
        (
            replace(REGISTERED, auth_method="client_secret_basic"),
            "abc, as registered; client_secret_basic",
        ),
        (
            replace(REGISTERED, source="metadata_document"),
            "abc, our metadata document; no secret",
        ),
        (
            replace(REGISTERED, client_id="x" * 201),
            f"{'x' * 200}..., as registered; no secret",
        ),
        (None, f"none yet; the first login registers one at {IDP}/register"),
    ],
)
def test_a_client_is_named_with_where_it_comes_from(
    known: Client | None, said: str
) -> None:
    assert brief(verdicts.client(known, FOUND)) == ("ok", said)


def test_nobody_knows_whether_default_paths_can_be_registered_at() -> None:
    guessed = replace(FOUND, provider=replace(PROVIDER, source="defaults"))
    said = verdicts.client(None, guessed)
    assert said.outcome is Outcome.SKIPPED
    assert f"{IDP}/register" in said.said
    assert "--register" in said.said


def test_a_client_made_by_hand_is_told_which_redirect_address_it_needs() -> None:
    ours = "http://127.0.0.1:8090/oauth/callback"
    by_hand = replace(REGISTERED, source="configured", redirect_uri=ours)
    assert ours in verdicts.client(by_hand, FOUND).said
    machine = replace(by_hand, redirect_uri="")
    assert verdicts.client(machine, FOUND).said == "abc, as configured; no secret"


@pytest.mark.requirement("R103")
def test_the_secret_of_a_client_is_not_shown() -> None:
    secret = replace(REGISTERED, client_secret="canary")
    assert "canary" not in str(verdicts.client(secret, FOUND))


# --- the token ---


def token_said(credential: Credential | None, found: Discovered | None) -> Finding:
    return verdicts.token("prod", credential, found, now=NOW)


@pytest.mark.parametrize(
    ("credential", "said"),
    [
        (held(ends=None), "no end was said; it can be refreshed"),
        (held(ends=None, refresh=""), "no end was said; it cannot be refreshed"),
    ],
)
def test_a_token_without_an_end_is_good(credential: Credential, said: str) -> None:
    assert brief(token_said(credential, FOUND)) == ("ok", said)


def test_a_store_that_cannot_be_read_is_not_taken_for_an_empty_one() -> None:
    said = verdicts.token("prod", None, FOUND, now=NOW, trouble="no keyring")
    assert brief(said) == ("failed", "no keyring")
    assert said.advice == ""


def test_a_good_token_is_shown_with_its_end() -> None:
    said = token_said(held(), None)
    assert said.outcome is Outcome.OK
    assert said.said.startswith("until 1970-01-12 ")


@pytest.mark.requirement("R159")
@pytest.mark.parametrize(
    ("credential", "said", "advice"),
    [
        (None, "none", "run `bridge oauth login prod`"),
        (
            held(resource="https://mcp.example/other"),
            f"it is for https://mcp.example/other, the server is {SERVER}",
            "run `bridge oauth login prod --force`",
        ),
        (
            held(provider=replace(PROVIDER, issuer="https://old.example")),
            f"it is of the issuer https://old.example, the server now names {IDP}",
            "run `bridge oauth login prod --force`",
        ),
    ],
)
def test_a_token_that_does_not_fit_is_explained_with_the_next_command(
    credential: Credential | None, said: str, advice: str
) -> None:
    finding = token_said(credential, FOUND)
    assert brief(finding) == ("failed", said)
    assert finding.advice == advice


@pytest.mark.parametrize(
    ("refresh", "advice"),
    [
        ("r", "start the bridge, which refreshes it, or run `bridge oauth login prod`"),
        ("", "run `bridge oauth login prod`"),
    ],
)
def test_an_expired_token_says_how_to_get_another(refresh: str, advice: str) -> None:
    said = token_said(held(ends=0.0, refresh=refresh), FOUND)
    assert said.outcome is Outcome.FAILED
    assert said.said.startswith("expired at 1970-01-12 ")
    assert said.advice == advice


def jwt(**claims: Any) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{body}.signature"


@pytest.mark.parametrize(
    ("token", "audience"),
    [
        (jwt(aud="a"), ("a",)),
        (jwt(aud=["a", "b"]), ("a", "b")),
        (jwt(sub="x"), ()),
        (jwt(aud=7), ()),
        ("opaque", ()),
        ("a.b", ()),
        ("a.%.c", ()),
        ("a.bm8.c", ()),
        ("a.\u00e9.c", ()),
    ],
)
def test_the_audience_of_a_token_is_read_where_it_has_one(
    token: str, audience: tuple[str, ...]
) -> None:
    assert audience_of(token) == audience


def refused(
    status: int, challenge: str = "", credential: Credential | None = None
) -> Finding:
    answer = Knock(asked=f"POST {SERVER}", status=status, challenge=challenge)
    return verdicts.accepted("prod", credential or held(), answer, FOUND)


def test_a_token_the_server_takes_is_a_tick() -> None:
    assert brief(refused(200)) == ("ok", "200")


@pytest.mark.requirement("R159")
def test_a_refused_token_is_explained_with_the_servers_words() -> None:
    challenge = 'Bearer error="invalid_token", error_description="expired"'
    said = refused(401, challenge)
    assert said.step == ACCEPTED
    assert brief(said) == ("failed", "the server refuses the token")
    assert said.answered == "401 (invalid_token, expired)"
    assert said.advice.startswith("run `bridge oauth login prod --force`")
    assert refused(401).answered == "401"


def test_a_token_for_another_audience_is_told_with_both() -> None:
    other = held(token=jwt(aud="https://else.example"))
    said = refused(401, credential=other)
    assert f"https://else.example, the server is {SERVER}" in said.advice
    answer = Knock(asked="", status=401)
    alone = verdicts.accepted("prod", other, answer, None)
    assert f"the server is {SERVER}" in alone.advice


def test_a_token_for_this_audience_is_no_matter_of_audience() -> None:
    said = refused(401, credential=held(token=jwt(aud=[SERVER])))
    assert "audience" not in said.advice


def test_a_token_with_too_few_scopes_points_to_the_setting() -> None:
    said = refused(403, 'Bearer error="insufficient_scope", scope="a b"')
    assert "oauth.scopes" in said.advice
