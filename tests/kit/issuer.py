"""A test issuer: makes keys, mints tokens good and bad, answers the Fetch port."""

import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Any, Final, Literal

import msgspec
import trio
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from bridge.config.model import AuthConfig
from bridge.errors import ConnectFailed
from bridge.identity.fetch import FetchResult
from bridge.identity.keyset import KeySnapshot, read_key_set
from bridge.identity.policy import TokenPolicy

NOW: Final = 1_790_000_000.0
ISSUER: Final = "https://issuer.example"
AUDIENCE: Final = "faxbot-mcp"

Family = Literal["RSA", "P-256", "P-384", "P-521", "Ed25519"]
#: A claim or header member to leave out.
OMIT: Final = object()

NATURAL: Final[Mapping[Family, str]] = {
    "RSA": "RS256",
    "P-256": "ES256",
    "P-384": "ES384",
    "P-521": "ES512",
    "Ed25519": "EdDSA",
}


class SigningKey(msgspec.Struct, frozen=True):
    """A private key with its name."""

    kid: str
    family: Family
    key: Any

    @property
    def algorithm(self) -> str:
        return NATURAL[self.family]

    def public(self, **changes: object) -> dict[str, object]:
        """The JWK as an issuer publishes it."""
        jwk: dict[str, object] = {
            **self.key.as_dict(private=False),
            "kid": self.kid,
            "use": "sig",
            "alg": self.algorithm,
            **changes,
        }
        return {name: value for name, value in jwk.items() if value is not OMIT}

    def sign(self, data: bytes, algorithm: str) -> bytes:
        name = "Ed25519" if algorithm == "EdDSA" else algorithm
        return JWSRegistry.algorithms[name].sign(data, self.key)


@cache
def make_key(kid: str, family: Family = "RSA") -> SigningKey:
    """A key of that name; the same one for the same name."""
    return SigningKey(kid, family, _generate(family))


def _generate(family: Family) -> Key:
    match family:
        case "RSA":
            return RSAKey.generate_key(2048)
        case "Ed25519":
            return OKPKey.generate_key("Ed25519")
        case _:
            return ECKey.generate_key(family)


def segment(part: object) -> str:
    """One token segment: bytes and text as they are, anything else as JSON."""
    if isinstance(part, str):
        part = part.encode()
    octets = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def without(members: Mapping[str, object]) -> dict[str, object]:
    """The members that are not `OMIT`."""
    return {name: value for name, value in members.items() if value is not OMIT}


def claims(**changes: object) -> dict[str, object]:
    """The claims of a good token, changed."""
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "user-1",
        "client_id": "client-1",
        "exp": int(NOW) + 600,
        "nbf": int(NOW) - 10,
        "iat": int(NOW) - 10,
        "scope": "mcp:read mcp:call",
    }
    return without({**good, **changes})


def mint(
    key: SigningKey,
    payload: object = None,
    *,
    header: Mapping[str, object] | bytes = {},
    algorithm: str = "",
) -> str:
    """A token signed by ``key`` whatever its header and payload say.

    ``header`` members change the usual ones; bytes replace the whole header.
    """
    algorithm = algorithm or key.algorithm
    head: object = header
    if not isinstance(header, bytes):
        usual = {"alg": algorithm, "kid": key.kid, "typ": "JWT"}
        head = without({**usual, **header})
    body = claims() if payload is None else payload
    signing_input = f"{segment(head)}.{segment(body)}"
    signature = key.sign(signing_input.encode(), algorithm)
    return f"{signing_input}.{segment(signature)}"


def key_set(*keys: SigningKey | Mapping[str, object]) -> bytes:
    """A JWK set document."""
    listed = [k.public() if isinstance(k, SigningKey) else k for k in keys]
    return json.dumps({"keys": listed}).encode()


def snapshot(*keys: SigningKey, issuer: str | None = ISSUER) -> KeySnapshot:
    return KeySnapshot(keys=read_key_set(key_set(*keys)).keys, issuer=issuer)


def auth_config(**changes: Any) -> AuthConfig:
    """A complete configuration of the guard, changed."""
    settings: dict[str, Any] = {"issuer": ISSUER, "audience": (AUDIENCE,), **changes}
    return AuthConfig(**settings)


def policy(**changes: Any) -> TokenPolicy:
    return TokenPolicy.from_config(auth_config(**changes))


Fault = Callable[[], Awaitable[FetchResult]]


class Issuer:
    """An identity provider behind the Fetch port, with faults to order.

    ``faults`` replaces the answer at an address. ``requests`` is what was asked.
    """

    def __init__(
        self,
        *keys: SigningKey,
        url: str = ISSUER,
        exact: str | None = None,
        jwks_path: str = "/keys",
    ) -> None:
        self.url = url
        self.keys = list(keys)
        self.jwks_url = url.rstrip("/") + jwks_path
        self.metadata_url = url.rstrip("/") + "/.well-known/openid-configuration"
        self.metadata: dict[str, object] = {
            "issuer": exact or url,
            "jwks_uri": self.jwks_url,
        }
        self.faults: dict[str, Fault] = {}
        self.requests: list[str] = []
        self.latency = 0.0

    def asked(self, url: str) -> int:
        return self.requests.count(url)

    async def fetch(self, url: str) -> FetchResult:
        """The Fetch port."""
        self.requests.append(url)
        await trio.sleep(self.latency)
        if url in self.faults:
            return await self.faults[url]()
        if url == self.metadata_url:
            return FetchResult(status=200, body=json.dumps(self.metadata).encode())
        if url == self.jwks_url:
            return FetchResult(status=200, body=key_set(*self.keys))
        return FetchResult(status=404, body=b"nothing here")


def answering(body: bytes, status: int = 200) -> Fault:
    """A fault: this answer instead of the right one."""

    async def answer() -> FetchResult:
        await trio.lowlevel.checkpoint()
        return FetchResult(status=status, body=body)

    return answer


async def refusing() -> FetchResult:
    """A fault: nobody listens."""
    await trio.lowlevel.checkpoint()
    raise ConnectFailed("connection refused")


async def hanging() -> FetchResult:
    """A fault: no answer ever comes."""
    await trio.sleep_forever()
    raise AssertionError
