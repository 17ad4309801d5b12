"""One fixture per provider of the guide (R34): its addresses, keys and tokens."""

from collections.abc import Mapping

import msgspec
import pytest

from bridge.contract.principal import Principal
from bridge.identity.claims import Verified
from bridge.identity.discovery import metadata_urls, read_metadata
from bridge.identity.keyset import KeySnapshot, read_key_set
from bridge.identity.refusal import Reason, TokenRefused
from bridge.identity.verifier import verify
from kit.issuer import NOW, OMIT, SigningKey, key_set, make_key, mint, policy, without

TENANT = "11111111-2222-3333-4444-555555555555"
ENTRA_V1 = f"https://sts.windows.net/{TENANT}/"
ENTRA_V2 = f"https://login.microsoftonline.com/{TENANT}/v2.0"
TIMES: Mapping[str, object] = {"iat": int(NOW) - 5, "exp": int(NOW) + 3600}
KEY = make_key("provider-key")


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """What one provider publishes and issues."""

    configured: str
    exact: str
    jwks: str
    audience: str
    token: Mapping[str, object]
    principal: Principal
    scopes: frozenset[str] = frozenset()
    header: Mapping[str, object] = {}
    key: Mapping[str, object] = {}


AUTH0 = Provider(
    configured="https://tenant.auth0.com",
    exact="https://tenant.auth0.com/",
    jwks="https://tenant.auth0.com/.well-known/jwks.json",
    audience="faxbot-mcp",
    token={
        "iss": "https://tenant.auth0.com/",
        "sub": "abc123@clients",
        "aud": "faxbot-mcp",
        "azp": "abc123",
        "gty": "client-credentials",
        "scope": "fax:send fax:read",
    },
    principal=Principal(
        issuer="https://tenant.auth0.com/", subject="abc123@clients", client="abc123"
    ),
    scopes=frozenset({"fax:send", "fax:read"}),
    key={"x5t": "abc", "x5c": ["MIIC"]},
)
OKTA = Provider(
    configured="https://dev.okta.com/oauth2/default",
    exact="https://dev.okta.com/oauth2/default",
    jwks="https://dev.okta.com/oauth2/default/v1/keys",
    audience="api://faxbot",
    token={
        "ver": 1,
        "jti": "AT.1",
        "iss": "https://dev.okta.com/oauth2/default",
        "aud": "api://faxbot",
        "cid": "0oa1",
        "sub": "0oa1",
        "scp": ["fax", "mcp"],
    },
    principal=Principal(
        issuer="https://dev.okta.com/oauth2/default", subject="0oa1", client="0oa1"
    ),
    scopes=frozenset({"fax", "mcp"}),
    header={"typ": OMIT},
)
ENTRA = Provider(
    configured=ENTRA_V2,
    exact=ENTRA_V2,
    jwks=f"https://login.microsoftonline.com/{TENANT}/discovery/v2.0/keys",
    audience="api://faxbot",
    token={
        "aud": "api://faxbot",
        "iss": ENTRA_V2,
        "azp": "app-1",
        "azpacr": "1",
        "oid": "object-1",
        "scp": "Fax.Send Fax.Read",
        "sub": "pairwise-1",
        "tid": TENANT,
        "ver": "2.0",
    },
    principal=Principal(issuer=ENTRA_V2, subject="pairwise-1", client="app-1"),
    scopes=frozenset({"Fax.Send", "Fax.Read"}),
    header={"x5t": KEY.kid},
    key={"alg": OMIT, "issuer": ENTRA_V2, "x5c": ["MIIC"]},
)
GOOGLE = Provider(
    configured="https://accounts.google.com",
    exact="https://accounts.google.com",
    jwks="https://www.googleapis.com/oauth2/v3/certs",
    audience="faxbot.apps.googleusercontent.com",
    token={
        "iss": "https://accounts.google.com",
        "azp": "cli.apps.googleusercontent.com",
        "aud": "faxbot.apps.googleusercontent.com",
        "sub": "110169484474386276334",
        "email": "user@example.com",
        "email_verified": True,
        "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q",
    },
    principal=Principal(
        issuer="https://accounts.google.com",
        subject="110169484474386276334",
        client="cli.apps.googleusercontent.com",
    ),
)
KEYCLOAK = Provider(
    configured="https://sso.example/realms/fax",
    exact="https://sso.example/realms/fax",
    jwks="https://sso.example/realms/fax/protocol/openid-connect/certs",
    audience="faxbot-mcp",
    token={
        "iss": "https://sso.example/realms/fax",
        "aud": ["faxbot-mcp", "account"],
        "sub": "f-1",
        "typ": "Bearer",
        "azp": "cli",
        "acr": "1",
        "realm_access": {"roles": ["user"]},
        "scope": "openid profile",
    },
    principal=Principal(
        issuer="https://sso.example/realms/fax", subject="f-1", client="cli"
    ),
    scopes=frozenset({"openid", "profile"}),
)
PROVIDERS = {
    "Auth0": AUTH0,
    "Okta": OKTA,
    "Entra": ENTRA,
    "Google": GOOGLE,
    "Keycloak": KEYCLOAK,
}


def published(provider: Provider, key: SigningKey = KEY) -> KeySnapshot:
    """What the bridge knows after reading the provider's documents."""
    encryption = {**make_key("for-encryption").public(use="enc", alg="RSA-OAEP")}
    keys = read_key_set(key_set(key.public(**provider.key), encryption))
    document = {
        "issuer": provider.exact,
        "jwks_uri": provider.jwks,
        "id_token_signing_alg_values_supported": ["RS256"],
    }
    metadata = read_metadata(msgspec.json.encode(document), provider.configured)
    assert metadata.jwks_uri == provider.jwks
    return KeySnapshot(keys=keys.keys, issuer=metadata.issuer)


def judge(
    provider: Provider, *, allow_id_tokens: bool = False, **changes: object
) -> Verified:
    """Verify the provider's token, changed, as configured from the guide."""
    token = mint(
        KEY,
        without({**TIMES, **provider.token, **changes}),
        header=provider.header,
    )
    rules = policy(
        issuer=provider.configured,
        audience=(provider.audience,),
        allow_id_tokens=allow_id_tokens,
    )
    return verify(token, published(provider), policy=rules, now=NOW)


@pytest.mark.requirement("R34", "R29", "A27")
@pytest.mark.parametrize("name", PROVIDERS)
def test_a_token_of_each_provider_is_understood(name: str) -> None:
    provider = PROVIDERS[name]
    verified = judge(provider, allow_id_tokens=provider is GOOGLE)
    assert verified.principal == provider.principal
    assert verified.scopes == provider.scopes
    assert verified.expires_at == NOW + 3600


@pytest.mark.requirement("R33")
@pytest.mark.parametrize("name", PROVIDERS)
def test_the_metadata_is_asked_for_where_the_guide_says(name: str) -> None:
    bare = PROVIDERS[name].configured
    assert metadata_urls(bare)[0] == f"{bare}/.well-known/openid-configuration"


@pytest.mark.requirement("A25", "D22")
def test_googles_id_tokens_need_the_setting() -> None:
    with pytest.raises(TokenRefused) as refused:
        judge(GOOGLE)
    assert refused.value.reason is Reason.ID_KIND


@pytest.mark.requirement("A20", "D23")
def test_an_entra_v1_token_under_a_v2_issuer_names_both_issuers() -> None:
    with pytest.raises(TokenRefused) as refused:
        judge(ENTRA, iss=ENTRA_V1, ver="1.0")
    assert refused.value.reason is Reason.ISSUER
    assert ENTRA_V1 in refused.value.public
    assert ENTRA_V2 in refused.value.public
    assert "accessTokenAcceptedVersion" in refused.value.public


@pytest.mark.requirement("A20")
def test_an_entra_v1_token_is_known_by_its_appid() -> None:
    provider = msgspec.structs.replace(ENTRA, configured=ENTRA_V1, exact=ENTRA_V1)
    verified = judge(provider, iss=ENTRA_V1, azp=OMIT, appid="app-1")
    assert verified.principal.client == "app-1"


@pytest.mark.requirement("R41", "A25")
@pytest.mark.parametrize("kind", ["ID", "Refresh", "Offline", "Logout"])
def test_keycloaks_other_tokens_are_refused(kind: str) -> None:
    with pytest.raises(TokenRefused):
        judge(KEYCLOAK, typ=kind)
