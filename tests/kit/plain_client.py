"""A small, correct OAuth client: what `StrictProvider` has nothing against.

It exists to try the provider, one broken rule at a time: every step takes ``changes``
to what it sends (None leaves a parameter out).
"""

import random
from typing import Any
from urllib.parse import urlencode

import msgspec

from kit.browser import Browser, Reply
from kit.network import SimulatedNetwork
from kit.provider import StrictProvider
from kit.provider_clients import KnownClient
from kit.provider_grants import s256
from kit.provider_http import FORM
from kit.sign_in import decide, query_of, tampered

CALLBACK = "http://127.0.0.1:8090/oauth/callback"
Changes = dict[str, str | None]


class PlainClient:
    """One client of one provider, for one resource."""

    def __init__(
        self,
        network: SimulatedNetwork,
        provider: StrictProvider,
        *,
        resource: str = "http://127.0.0.1:9500/mcp",
        seed: int = 0,
    ) -> None:
        self.network = network
        self.provider = provider
        self.resource = resource
        self.rng = random.Random(seed)
        self.client_id = ""
        self.verifier = ""
        self.redirect: dict[str, str] = {}
        self.access_token = ""
        self.refresh_token = ""

    async def post(
        self,
        path: str,
        form: Changes,
        *,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """A form to an endpoint."""
        fields = {name: value for name, value in form.items() if value is not None}
        return await self.send(
            "POST",
            path,
            body=urlencode(fields).encode(),
            headers={"Content-Type": FORM} | (headers or {}),
        )

    async def send(
        self, method: str, path: str, *, body: bytes = b"", headers: dict[str, str]
    ) -> Reply:
        """Any request to the provider."""
        stream = await self.network.connect(*self.provider.site.address)
        async with stream:
            browser = Browser(stream, host="provider.test")
            target = self.provider.site.path + path
            return await browser.ask(
                method, target, headers=[*headers.items()], body=body
            )

    async def register(self, **changes: Any) -> Reply:
        wanted: dict[str, Any] = {
            "client_name": "Plain",
            "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            "application_type": "native",
        }
        reply = await self.send(
            "POST",
            "/register",
            body=msgspec.json.encode(wanted | changes),
            headers={"Content-Type": "application/json"},
        )
        if reply.status == 201:
            self.client_id = reply.json["client_id"]
        return reply

    def known(self, **members: Any) -> KnownClient:
        """Be a client that was registered by hand."""
        self.client_id = "plain"
        return self.provider.clients.add(
            KnownClient(client_id="plain", redirect_uris=(CALLBACK,), **members)
        )

    def authorization_url(self, **changes: str) -> str:
        self.verifier = f"{self.rng.getrandbits(256):064x}"
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": CALLBACK,
            "state": f"{self.rng.getrandbits(128):032x}",
            "code_challenge": s256(self.verifier),
            "code_challenge_method": "S256",
            "resource": self.resource,
            "scope": "mcp:read",
        }
        url = f"{self.provider.issuer}/authorize?{urlencode(query)}"
        return tampered(url, **changes)

    async def authorize(self, **changes: str) -> str:
        """A code, or the error that came instead."""
        back = await decide(self.network, self.authorization_url(**changes))
        query = query_of(back)
        self.redirect = query
        return query.get("code") or query.get("error", "")

    async def exchange(self, code: str, /, **changes: str | None) -> Reply:
        form: Changes = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "client_id": self.client_id,
            "code_verifier": self.verifier,
            "resource": self.resource,
        }
        return self._kept(await self.post("/token", form | changes))

    async def refresh(self, **changes: str | None) -> Reply:
        form: Changes = {
            "grant_type": "refresh_token",
            "refresh_token": self.refresh_token,
            "client_id": self.client_id,
            "resource": self.resource,
        }
        return self._kept(await self.post("/token", form | changes))

    async def log_in(self) -> None:
        """Registered, allowed and exchanged."""
        if not self.client_id:
            await self.register()
        reply = await self.exchange(await self.authorize())
        assert reply.status == 200, reply

    async def log_in_again(self) -> None:
        """As a new client."""
        self.client_id = ""
        await self.log_in()

    async def call(self, url: str, method: str = "ping", **params: object) -> Reply:
        """A message to a protected server, with the token."""
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        stream = await self.network.connect("127.0.0.1", int(url.split(":")[2][:4]))
        headers = [("Content-Type", "application/json")]
        if self.access_token:
            headers.append(("Authorization", f"Bearer {self.access_token}"))
        async with stream:
            return await Browser(stream).ask(
                "POST",
                "/" + url.split("/", 3)[3],
                headers=headers,
                body=msgspec.json.encode(message),
            )

    def _kept(self, reply: Reply) -> Reply:
        if reply.status == 200:
            self.access_token = reply.json["access_token"]
            self.refresh_token = reply.json.get("refresh_token", self.refresh_token)
        return reply
