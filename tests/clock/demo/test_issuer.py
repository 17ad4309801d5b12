"""The identity provider for development: tokens for its one client, and nobody else."""

import base64
from typing import Any

import msgspec
import pytest
import trio

from bridge.config.model import AuthConfig
from bridge.demo.issuer import AUDIENCE, LIFETIME, DevelopmentIssuer
from bridge.downstream.message import Request, Response
from bridge.identity.keyset import KeySnapshot, read_key_set
from bridge.identity.policy import TokenPolicy
from bridge.identity.verifier import verify
from bridge.system import SystemEntropy
from kit.requests import make_request

NOW = 1_800_000_000.0
URL = "http://127.0.0.1:9"
FORM = "application/x-www-form-urlencoded"


class StoppedClock:
    def now(self) -> float:
        return NOW


@pytest.fixture(scope="module")
def issuer() -> DevelopmentIssuer:
    return DevelopmentIssuer(URL, clock=StoppedClock(), entropy=SystemEntropy())


def token_request(body: str, *headers: tuple[str, str], kind: str = FORM) -> Request:
    asked = make_request("/token", ("content-type", kind), *headers, method="POST")

    async def read() -> bytes:
        await trio.lowlevel.checkpoint()
        return body.encode()

    asked._body = read  # pyright: ignore[reportPrivateUsage]
    return asked


async def answered(issuer: DevelopmentIssuer, asked: Request) -> tuple[int, Any]:
    answer = await issuer.handle(asked)
    assert isinstance(answer, Response)
    return answer.status, msgspec.json.decode(answer.body)


def good(issuer: DevelopmentIssuer, **changes: str) -> str:
    fields = {
        "grant_type": "client_credentials",
        "client_id": "demo",
        "client_secret": issuer.client_secret,
        "audience": AUDIENCE,
    }
    return "&".join(f"{name}={text}" for name, text in (fields | changes).items())


async def keys(issuer: DevelopmentIssuer) -> KeySnapshot:
    answer = await issuer.handle(make_request("/jwks"))
    assert isinstance(answer, Response)
    return KeySnapshot(keys=read_key_set(answer.body).keys, issuer=URL)


@pytest.mark.parametrize(
    "path",
    ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"],
)
async def test_its_metadata_name_it_its_keys_and_its_token_page(
    issuer: DevelopmentIssuer, path: str
) -> None:
    status, metadata = await answered(issuer, make_request(path))
    assert status == 200
    assert metadata["issuer"] == URL
    assert metadata["jwks_uri"] == f"{URL}/jwks"
    assert metadata["token_endpoint"] == f"{URL}/token"


async def test_its_tokens_pass_the_bridges_own_guard_even_the_strict_one(
    issuer: DevelopmentIssuer,
) -> None:
    status, said = await answered(issuer, token_request(good(issuer)))
    assert (status, said["token_type"], said["expires_in"]) == (200, "Bearer", LIFETIME)
    auth = AuthConfig(issuer=URL, audience=(AUDIENCE,), strict_type=True)
    verified = verify(
        said["access_token"],
        await keys(issuer),
        policy=TokenPolicy.from_config(auth),
        now=NOW,
    )
    assert verified.principal.client == "demo"
    assert verified.expires_at == NOW + LIFETIME


async def test_the_private_key_stays_with_it(issuer: DevelopmentIssuer) -> None:
    _, published = await answered(issuer, make_request("/jwks"))
    (key,) = published["keys"]
    assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}


async def test_the_client_may_stand_in_the_header_or_in_json(
    issuer: DevelopmentIssuer,
) -> None:
    pair = base64.b64encode(f"demo:{issuer.client_secret}".encode()).decode()
    asked = token_request(
        "grant_type=client_credentials", ("authorization", f"Basic {pair}")
    )
    assert (await answered(issuer, asked))[0] == 200
    fields = {
        "grant_type": "client_credentials",
        "client_id": "demo",
        "client_secret": issuer.client_secret,
    }
    body = msgspec.json.encode(fields).decode()
    asked = token_request(body, kind="application/json; charset=utf-8")
    assert (await answered(issuer, asked))[0] == 200


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_secret": ""}, 401, "invalid_client"),
        ({"client_id": "other"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"audience": "elsewhere"}, 400, "invalid_target"),
    ],
)
async def test_nobody_else_gets_a_token(
    issuer: DevelopmentIssuer, changes: dict[str, str], status: int, error: str
) -> None:
    asked = token_request(good(issuer, **changes))
    assert await answered(issuer, asked) == (status, {"error": error})


@pytest.mark.parametrize(
    "asked",
    [
        token_request("[1", kind="application/json"),
        token_request('{"client_id": 1}', kind="application/json"),
        token_request("client_id=\u00e9"),
        token_request("", ("authorization", "Basic !!!")),
        token_request("", ("authorization", "Basic " + "/" * 4)),
    ],
)
async def test_nonsense_is_an_invalid_request(
    issuer: DevelopmentIssuer, asked: Request
) -> None:
    assert await answered(issuer, asked) == (400, {"error": "invalid_request"})


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/token", "GET", 405), ("/jwks", "POST", 405), ("/", "GET", 404)],
)
async def test_other_pages_and_methods_are_refused(
    issuer: DevelopmentIssuer, path: str, method: str, status: int
) -> None:
    answer = await issuer.handle(make_request(path, method=method))
    assert isinstance(answer, Response)
    assert answer.status == status
