"""Clients, devices and revocation at the simulated provider."""

import base64
from typing import Any

import trio
from joserfc.jwk import ECKey
from joserfc.jwt import encode
from trio.testing import MockClock

from kit.oauth_scene import Scene, scene
from kit.plain_client import CALLBACK
from kit.provider_grants import DEVICE_GRANT
from kit.provider_rules import Rules

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def error_of(reply: Any) -> str:
    return reply.json["error"]


# --- clients ----------------------------------------------------------------------


async def test_a_forgotten_client_is_told_once(autojump_clock: MockClock) -> None:
    async with scene() as s:
        await s.client.log_in()
        s.provider.clients.forget()
        reply = await s.client.refresh()
        assert (reply.status, error_of(reply)) == (401, "invalid_client")
        assert s.broken == []
        await s.client.refresh()
        assert s.broken == ["client.forgotten"]
        assert await s.client.authorize() == ""  # a page, not a redirect
        await s.client.log_in_again()
        assert (await s.client.call(s.server.url)).status == 200


async def test_a_secret_is_checked_however_it_is_sent(
    autojump_clock: MockClock,
) -> None:
    async with scene(Rules(secret_lifetime=100)) as s:
        s.provider.rules.registered_auth_method = "client_secret_post"
        secret = (await s.client.register()).json["client_secret"]
        code = await s.client.authorize()
        assert (await s.client.exchange(code, client_secret=secret)).status == 200
        await s.client.refresh(client_secret="guess")
        await trio.sleep(100)
        await s.client.refresh(client_secret=secret)
        assert s.broken == ["client.secret", "client.secret_expired"]


async def test_basic_authentication_is_decoded_as_a_form(
    autojump_clock: MockClock,
) -> None:
    async with scene() as s:
        s.client.known(auth_method="client_secret_basic", secret="a b:c")
        form: dict[str, str | None] = {
            "grant_type": "client_credentials",
            "resource": s.server.resource,
        }

        async def ask(pair: bytes, **more: str) -> int:
            basic = "Basic " + base64.b64encode(pair).decode()
            headers = {"Authorization": basic}
            return (await s.client.post("/token", form | more, headers=headers)).status

        assert await ask(b"plain:a+b%3Ac") == 200
        assert s.broken == []
        assert await ask(b"plain:a b:c", client_id="plain", client_secret="x") == 400
        assert await ask(b"plain:a", client_id="other") == 400
        assert await ask(b"plain:wrong") == 401
        assert await ask(b"\xff") == 401
        for scheme in ("Bearer t", "Basic ?"):
            headers = {"Authorization": scheme}
            assert (await s.client.post("/token", form, headers=headers)).status == 401
        assert s.broken == [
            "client.two_methods",
            "client.two_ids",
            "client.secret",
            "client.basic",
            "client.scheme",
            "client.basic",
        ]


class Signer:
    """Signs client assertions."""

    def __init__(self, s: Scene) -> None:
        self.scene = s
        self.key = ECKey.generate_key("P-256")
        s.client.known(auth_method="private_key_jwt", public_key=self.key)
        self._count = 0

    async def ask(self, **changes: object) -> int:
        now = int(self.scene.provider.now())
        self._count += 1
        claims = {
            "iss": "plain",
            "sub": "plain",
            "aud": self.scene.provider.issuer,
            "iat": now,
            "exp": now + 60,
            "jti": f"number-{self._count}",
        }
        signed = encode({"alg": "ES256"}, {**claims, **changes}, self.key)
        form: dict[str, str | None] = {
            "grant_type": "client_credentials",
            "resource": self.scene.server.resource,
            "client_assertion_type": JWT_BEARER,
            "client_assertion": signed,
        }
        return (await self.scene.client.post("/token", form)).status


async def test_an_assertion_is_really_checked(autojump_clock: MockClock) -> None:
    async with scene() as s:
        signer = Signer(s)
        assert await signer.ask() == 200
        assert s.broken == []
        assert s.provider.counts.client_credentials == 1
        for changes in (
            {"iss": "other"},
            {"aud": "https://other.example"},
            {"exp": int(s.provider.now())},
            {"exp": int(s.provider.now()) + 3600},
            {"iat": int(s.provider.now()) + 60},
            {"jti": "number-1"},
        ):
            assert await signer.ask(**changes) == 401
        signer.key = ECKey.generate_key("P-256")
        assert await signer.ask() == 401
        form = {"client_assertion": "a.b.c", "client_assertion_type": JWT_BEARER}
        assert (await s.client.post("/token", dict(form))).status == 401
        form = {"client_assertion": "a.b.c", "client_assertion_type": "saml"}
        assert (await s.client.post("/token", dict(form))).status == 401
        names = ["iss", "aud", "exp", "exp", "iat", "jti", "signature", "form", "type"]
        assert s.broken == [f"assertion.{name}" for name in names]


async def test_a_public_client_gets_no_token_of_its_own(
    autojump_clock: MockClock,
) -> None:
    async with scene() as s:
        s.client.known()
        form: dict[str, str | None] = {"grant_type": "client_credentials"}
        reply = await s.client.post("/token", form | {"client_id": "plain"})
        assert error_of(reply) == "unauthorized_client"
        assert s.broken == ["grant.public"]


async def test_a_metadata_document_is_a_client(autojump_clock: MockClock) -> None:
    async with scene(Rules(metadata_documents=True)) as s:
        s.client.client_id = "https://bridge.example/client.json"
        document = {"client_id": s.client.client_id, "redirect_uris": [CALLBACK]}
        s.provider.clients.documents[s.client.client_id] = document
        await s.client.log_in()
        assert s.provider.metadata()["client_id_metadata_document_supported"]
        assert s.broken == []
        s.client.client_id = "https://bridge.example/copy.json"
        s.provider.clients.documents[s.client.client_id] = document
        assert await s.client.authorize() == ""
        assert s.broken == ["document.client_id"]


# --- the other endpoints ----------------------------------------------------------


async def poll(s: Scene, device_code: str) -> str:
    """The error of a poll; empty: it is done."""
    reply = await s.client.post(
        "/token",
        {
            "grant_type": DEVICE_GRANT,
            "device_code": device_code,
            "client_id": "plain",
            "resource": s.server.resource,
        },
    )
    return reply.json.get("error", "")


async def device(s: Scene) -> dict[str, Any]:
    s.client.known()
    form: dict[str, str | None] = {"client_id": "plain", "resource": s.server.resource}
    return (await s.client.post("/device", form)).json


async def test_a_device_waits_for_its_person(autojump_clock: MockClock) -> None:
    async with scene() as s:
        given = await device(s)
        code = given["device_code"]
        assert await poll(s, code) == "authorization_pending"
        await trio.sleep(5)
        s.provider.devices.slow_down()
        assert await poll(s, code) == "slow_down"
        await trio.sleep(10)
        assert await poll(s, code) == "authorization_pending"
        s.provider.devices.approve(given["user_code"])
        await trio.sleep(10)
        assert await poll(s, code) == ""
        assert s.broken == []
        assert s.provider.counts.device_polls == 4
        await trio.sleep(10)
        assert await poll(s, code) == "invalid_grant"
        assert s.broken == ["device.over"]


async def test_a_hasty_device_is_noticed(autojump_clock: MockClock) -> None:
    async with scene() as s:
        code = (await device(s))["device_code"]
        await poll(s, code)
        await trio.sleep(4)
        assert await poll(s, code) == "slow_down"
        assert s.broken == ["device.early"]


async def test_a_device_is_denied_or_forgotten(autojump_clock: MockClock) -> None:
    async with scene(Rules(device_lifetime=30)) as s:
        denied, expired = await device(s), await device(s)
        s.provider.devices.deny(denied["user_code"])
        assert await poll(s, denied["device_code"]) == "access_denied"
        await trio.sleep(30)
        assert await poll(s, expired["device_code"]) == "expired_token"
        assert await poll(s, "device-of-another") == "invalid_grant"
        assert s.broken == ["device.foreign"]


async def test_revocation_ends_a_login(autojump_clock: MockClock) -> None:
    async with scene() as s:
        await s.client.log_in()

        async def revoke(token: str) -> int:
            form: dict[str, str | None] = {
                "token": token,
                "client_id": s.client.client_id,
            }
            return (await s.client.post("/revoke", form)).status

        assert await revoke(s.client.refresh_token) == 200
        assert await revoke(s.client.access_token) == 200
        assert (s.broken, s.provider.counts.revocations) == ([], 2)
        assert (await s.client.call(s.server.url)).status == 401
        assert await revoke("somebody's") == 200
        assert await revoke(" ") == 200
        stolen = s.client.access_token
        await s.client.register()
        assert await revoke(stolen) == 400
        assert s.broken == ["revocation.foreign"] * 2 + ["revocation.client"]
