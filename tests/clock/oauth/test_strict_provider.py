"""The whole OAuth room against a provider that forgives nothing."""

import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec
import pytest
import trio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from joserfc.jwk import ECKey, OKPKey
from trio.testing import MockClock

from bridge.errors import (
    DiscoveryFailed,
    GrantRefused,
    IssuerRefused,
    LinkTimeout,
    OAuthError,
)
from bridge.http import HttpClients
from bridge.oauth import authorization, device, revocation, token
from bridge.oauth.challenge import bearer
from bridge.oauth.credential import Credential, TokenSet
from bridge.oauth.discovery import discover
from bridge.oauth.http import HttpRequest, HttpResponse, Steps
from bridge.oauth.provider import Client, Discovered
from bridge.oauth.registration import identify
from bridge.oauth.settings import OAuthSettings
from kit import provider_faults as faults
from kit.issuer import OMIT
from kit.oauth_scene import Scene, scene
from kit.provider_clients import KnownClient
from kit.provider_rules import Rules
from kit.sign_in import decide, query_of

T = TypeVar("T")
CALLBACK = "http://127.0.0.1:8090/oauth/callback"
SECRET = "hüsh: a secret/with=signs"


class Visitor:
    """The room, driven over the simulated network."""

    def __init__(self, s: Scene, **settings: Any) -> None:
        self.scene = s
        self.settings = OAuthSettings(
            name="web",
            server_url=s.server.url,
            redirect_uri=CALLBACK,
            client_name="bridge",
            **settings,
        )
        self._fetcher = HttpClients(s.network).fetcher()
        rng = random.Random(1)
        self.new_token: Callable[[int], str] = lambda octets: rng.randbytes(
            octets
        ).hex()
        self.chances: dict[str, Any] = {
            "now_of": s.provider.now,
            "new_token": self.new_token,
        }

    async def walk(self, steps: Steps[T]) -> T:
        """Every request of a dialogue, really sent."""
        try:
            asked = next(steps)
            while True:
                asked = steps.send(await self._send(asked))
        except StopIteration as end:
            return end.value

    async def _send(self, asked: HttpRequest) -> HttpResponse:
        got = await self._fetcher.fetch(
            asked.url, method=asked.method, headers=asked.headers, content=asked.body
        )
        return HttpResponse(status=got.status, headers=got.headers, body=got.body)

    async def find(self) -> tuple[Discovered, Client]:
        """From a 401 to a client."""
        self.scene.client.access_token = ""
        refused = await self.scene.client.call(self.settings.server_url)
        challenge = bearer(refused.headers.get("www-authenticate", ""))
        found = await self.walk(discover(self.settings, challenge))
        known = identify(
            self.settings, found.provider, known=None, now=self.scene.provider.now()
        )
        return found, await self.walk(known)

    async def log_in(self) -> Credential:
        """A person allows it."""
        found, client = await self.find()
        scopes = authorization.scopes_for(self.settings, found, bearer(""))
        attempt = authorization.begin(
            self.settings, found, client, scopes=scopes, new_token=self.new_token
        )
        back = await decide(self.scene.network, attempt.url)
        code = authorization.accept(attempt, query_of(back))
        tokens = await self.walk(
            token.exchange(attempt, self.settings, code, **self.chances)
        )
        return self.credential(found, client, tokens)

    def credential(
        self, found: Discovered, client: Client, tokens: TokenSet
    ) -> Credential:
        return Credential(
            tokens=tokens,
            provider=found.provider,
            client=client,
            resource=found.resource,
        )

    async def renew(self, credential: Credential) -> Credential:
        tokens = await self.walk(
            token.refresh(credential, self.settings, **self.chances)
        )
        return msgspec.structs.replace(credential, tokens=tokens)

    async def call(self, credential: Credential) -> int:
        self.scene.client.access_token = credential.tokens.access_token
        return (await self.scene.client.call(self.settings.server_url)).status


@asynccontextmanager
async def visiting(
    rules: Rules | None = None, **settings: Any
) -> AsyncGenerator[Visitor]:
    async with scene(rules) as s:
        yield Visitor(s, **settings)


@pytest.mark.requirement("R70", "R82", "R88", "R91", "R93")
async def test_a_login_its_refreshes_and_its_end_break_no_rule(
    autojump_clock: MockClock,
) -> None:
    async with visiting(Rules(access_lifetime=5)) as v:
        credential = await v.log_in()
        for _ in range(3):
            assert await v.call(credential) == 200
            await trio.sleep(5)
            assert await v.call(credential) == 401
            credential = await v.renew(credential)
        assert credential.tokens.scope == "offline_access"  # D24: it is listed
        assert await v.walk(revocation.revoke(credential, v.settings, **v.chances))
        assert await v.call(credential) == 401
        with pytest.raises(GrantRefused):
            await v.renew(credential)
        assert v.scene.provider.breaches == []
        counts = v.scene.provider.counts
        assert (counts.registrations, counts.logins, counts.refreshes) == (1, 1, 3)
        assert counts.revocations == 2


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_the_method_a_server_chooses_is_the_one_used(
    autojump_clock: MockClock, method: Any
) -> None:
    async with visiting(Rules(registered_auth_method=method)) as v:
        await v.renew(await v.log_in())
        assert v.scene.provider.breaches == []


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_a_configured_secret_with_every_sign_arrives(
    autojump_clock: MockClock, method: Any
) -> None:
    async with visiting(
        client_id="the client", client_secret=SECRET, auth_method=method
    ) as v:
        v.scene.provider.clients.add(
            KnownClient(
                client_id="the client",
                secret=SECRET,
                auth_method=method,
                redirect_uris=(CALLBACK,),
            )
        )
        await v.renew(await v.log_in())
        assert v.scene.provider.breaches == []


def pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


@pytest.mark.parametrize("curve", ["P-256", "Ed25519"])
async def test_a_machine_signs_for_itself(
    autojump_clock: MockClock, curve: str
) -> None:
    edwards = curve == "Ed25519"
    secret = pem(
        ed25519.Ed25519PrivateKey.generate()
        if edwards
        else ec.generate_private_key(ec.SECP256R1())
    )
    async with visiting(
        grant="client_credentials",
        client_id="machine",
        auth_method="private_key_jwt",
        private_key=secret,
    ) as v:
        public = (OKPKey if edwards else ECKey).import_key(secret)
        v.scene.provider.clients.add(
            KnownClient(
                client_id="machine", auth_method="private_key_jwt", public_key=public
            )
        )
        found, client = await v.find()
        for _ in range(2):  # an assertion is used once
            tokens = await v.walk(
                token.client_credentials(
                    v.settings, found, client, scopes=("mcp:read",), **v.chances
                )
            )
            assert await v.call(v.credential(found, client, tokens)) == 200
        assert v.scene.provider.breaches == []


async def test_a_device_keeps_the_pace_it_is_told(autojump_clock: MockClock) -> None:
    async with visiting(grant="device_code") as v:
        found, client = await v.find()
        grant = (v.settings, found, client)
        code = await v.walk(device.ask(*grant, scopes=("mcp:read",), **v.chances))
        devices = v.scene.provider.devices
        devices.slow_down()
        outcome: TokenSet | float = code.interval
        while not isinstance(outcome, TokenSet):
            await trio.sleep(outcome)
            if v.scene.provider.counts.device_polls == 3:
                devices.approve(code.user_code)
            code = msgspec.structs.replace(code, interval=outcome)
            outcome = await v.walk(device.poll(code, *grant, **v.chances))
        assert await v.call(v.credential(found, client, outcome)) == 200
        assert v.scene.provider.breaches == []


async def test_a_lost_rotation_is_forgiven_by_a_server_with_grace(
    autojump_clock: MockClock,
) -> None:
    async with visiting(Rules(grace=60)) as v:
        credential = await v.log_in()
        v.scene.provider.faults.once("token", faults.late(30))
        with pytest.raises(LinkTimeout):
            await v.renew(credential)
        assert v.scene.provider.counts.refreshes == 1
        assert await v.call(await v.renew(credential)) == 200
        assert v.scene.provider.breaches == []


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"issuer": "http://127.0.0.1:9999"}, (IssuerRefused, DiscoveryFailed)),
        ({"token_endpoint": OMIT}, OAuthError),
        ({"code_challenge_methods_supported": OMIT}, OAuthError),
        ({"code_challenge_methods_supported": ["plain"]}, OAuthError),
    ],
)
async def test_metadata_that_lies_or_lacks_ends_the_login_before_a_code(
    autojump_clock: MockClock, changes: dict[str, object], error: Any
) -> None:
    async with visiting() as v:
        v.scene.provider.metadata_changes |= changes
        with pytest.raises(error):
            await v.log_in()
        assert v.scene.provider.counts.authorizations == 0
        assert v.scene.provider.breaches == []
