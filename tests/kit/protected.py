"""`ProtectedServer`: an MCP server that lets nobody in without a good bearer token.

It takes tokens that its `StrictProvider` issued for its own resource and answers
others 401 with a challenge (RFC 6750, RFC 9728). A token that could never have been
meant for it is a breach, kept with the provider's.

    server = ProtectedServer(provider)               # http://127.0.0.1:9500/mcp
    await server.serve(network, nursery)
    server.door.tool_scopes["write"] = ("mcp:write",)
    assert server.traffic.unauthorized == 1

A provider with an issuer of the same origin is served here as well (the 2025-03-26
shape): do not serve it twice.
"""

from typing import Any, Literal

import msgspec
import trio

from kit.issuer import without
from kit.network import SimulatedNetwork
from kit.protected_mind import ProtectedMind
from kit.protected_rules import Door, Guard
from kit.provider import StrictProvider, check_anonymous_get
from kit.provider_http import Site, json_answer, path_of, send
from kit.provider_rules import Breaches
from kit.provider_tokens import AccessToken
from kit.scripted_http import Exchange, ScriptedServer

MCP_URL = "http://127.0.0.1:9500/mcp"
SSE_URL = "http://127.0.0.1:9501/sse"
_WELL_KNOWN = "/.well-known/oauth-protected-resource"
_MESSAGES = "/messages"


class ProtectedServer:
    """One endpoint behind one door."""

    def __init__(
        self,
        *providers: StrictProvider,
        url: str = "",
        transport: Literal["streamablehttp", "sse"] = "streamablehttp",
        resource: str = "",
        breaches: Breaches | None = None,
    ) -> None:
        self.url = url or (MCP_URL if transport == "streamablehttp" else SSE_URL)
        self.transport = transport
        self.site = Site(self.url)
        self.resource = resource or self.url
        self.providers = providers
        self.breaches = providers[0].breaches if breaches is None else breaches
        for provider in providers:
            provider.resources.add(self.resource)
        self.door = Door()
        self.guard = Guard(providers, resource=self.resource, breaches=self.breaches)
        self.traffic = self.guard.traffic
        self.mind = ProtectedMind()
        self.server = ScriptedServer(self.handle)
        self._streams: dict[str, Exchange] = {}
        self._speaking = trio.Lock()  # one writer of a stream at a time

    async def serve(self, network: SimulatedNetwork, nursery: trio.Nursery) -> None:
        """Listen at the url's address until the nursery ends."""
        await self.site.serve(self.server, network, nursery)

    def moves_to(self, provider: StrictProvider) -> None:
        """From now on another provider's tokens are good here, and no others."""
        provider.resources.add(self.resource)
        self.providers = (provider,)
        self.guard.moves_to(provider)

    def metadata_url(self) -> str:
        """Where a challenge points (RFC 9728)."""
        at_path = "path" in self.door.metadata_at
        return f"{self.site.base}{_WELL_KNOWN}{self.site.path if at_path else ''}"

    def metadata(self) -> dict[str, object]:
        """RFC 9728, as the door says."""
        members: dict[str, object] = {
            "resource": self.resource,
            "authorization_servers": [each.issuer for each in self.providers],
            "bearer_methods_supported": ["header"],
        }
        if self.door.scopes:
            members["scopes_supported"] = self.door.scopes
        return without(members | self.door.metadata_changes)

    async def handle(self, exchange: Exchange) -> None:
        """Answer one request."""
        path = path_of(exchange.asked)
        if path in self._metadata_paths():
            self.traffic.metadata += 1
            check_anonymous_get(self.breaches, exchange.asked)
            await send(exchange, json_answer(self.metadata()))
        elif path == self.site.path or self._is_messages(path):
            await self._guarded(exchange)
        else:
            await self._elsewhere(exchange)

    def _metadata_paths(self) -> set[str]:
        forms = {"path": f"{_WELL_KNOWN}{self.site.path}", "root": _WELL_KNOWN}
        return {forms[form] for form in self.door.metadata_at}

    def _is_messages(self, path: str) -> bool:
        return self.transport == "sse" and path == _MESSAGES

    async def _elsewhere(self, exchange: Exchange) -> None:
        for provider in self.providers:
            if provider.site.base == self.site.base and provider.serves(exchange.asked):
                await provider.handle(exchange)
                return
        if "authorization" in exchange.asked.headers:
            self.breaches.note("token.elsewhere", exchange.asked.target)
        await exchange.answer(404)

    # --- the door ---

    async def _guarded(self, exchange: Exchange) -> None:
        value = self.guard.presented(exchange.asked)
        token = self.guard.good(value) if value else None
        if value:
            self.traffic.requests_of[value] += 1
        if token is None and (value or not self._is_open(exchange)):
            await self._unauthorized(exchange, value)
            return
        if token is not None and (lacking := self._lacking(exchange, token)):
            await self._forbidden(exchange, lacking)
            return
        self.traffic.served += 1
        if self.transport == "sse":
            await self._sse(exchange, token)
        else:
            await self._streamable(exchange, token)

    def _is_open(self, exchange: Exchange) -> bool:
        if exchange.asked.method != "POST":
            return False
        return exchange.asked.message.get("method") in self.door.open_methods

    def _lacking(self, exchange: Exchange, token: AccessToken) -> tuple[str, ...]:
        """All scopes of the operation, if the token lacks one of them."""
        needed = self.door.scopes
        if exchange.asked.method == "POST":
            tool = self.mind.tool_of(exchange.asked.message)
            needed += self.door.tool_scopes.get(tool, ())
        return () if set(needed) <= set(token.scope) else needed

    async def _unauthorized(self, exchange: Exchange, value: str) -> None:
        self.traffic.unauthorized += 1
        if value:
            self.traffic.refusals_of[value] += 1
        else:
            self.traffic.without_token += 1
        parts: dict[str, str] = {}
        if value and self.door.says_error:
            parts["error"] = "invalid_token"
        if self.door.challenge_scope:
            parts["scope"] = " ".join(self.door.challenge_scope)
        await exchange.answer(401, b"", self._challenge(parts))

    async def _forbidden(self, exchange: Exchange, scopes: tuple[str, ...]) -> None:
        self.traffic.forbidden += 1
        parts = {"error": "insufficient_scope", "scope": " ".join(scopes)}
        await exchange.answer(403, b"", self._challenge(parts))

    def _challenge(self, parts: dict[str, str]) -> dict[str, str]:
        if self.door.challenge == "none":
            return {}
        if self.door.challenge == "full":
            parts = {**parts, "resource_metadata": self.metadata_url()}
        said = ", ".join(f'{name}="{value}"' for name, value in parts.items())
        return {"WWW-Authenticate": f"Bearer {said}".strip()}

    # --- streamable HTTP ---

    async def _streamable(self, exchange: Exchange, token: AccessToken | None) -> None:
        asked = exchange.asked
        session = asked.headers.get("mcp-session-id", "")
        if session and session not in self.mind.sessions:
            await exchange.answer(404)
        elif asked.method == "GET":
            await exchange.open_events()
            await self._hold(exchange, token)
        elif asked.method == "DELETE":
            self.mind.sessions.discard(session)
            await exchange.answer(200)
        else:
            await self._post(exchange)

    async def _post(self, exchange: Exchange) -> None:
        message = exchange.asked.message
        answer = await self._answered(message)
        if answer is None:
            await exchange.answer(202)
        elif message["method"] == "initialize":
            session = {"Mcp-Session-Id": self.mind.open_session()}
            await exchange.json(answer, session)
        else:
            await exchange.json(answer)

    async def _answered(self, message: dict[str, Any]) -> bytes | None:
        answer = await self.mind.answer(message)
        self.traffic.calls += message.get("method") == "tools/call"
        return None if answer is None else msgspec.json.encode(answer)

    # --- HTTP+SSE ---

    async def _sse(self, exchange: Exchange, token: AccessToken | None) -> None:
        if path_of(exchange.asked) == _MESSAGES:
            await self._message(exchange)
        elif exchange.asked.method != "GET":
            await exchange.answer(405)
        else:
            await self._stream(exchange, token)

    async def _stream(self, exchange: Exchange, token: AccessToken | None) -> None:
        session = self.mind.open_session()
        await exchange.open_events()
        endpoint = f"event: endpoint\ndata: {_MESSAGES}?session_id={session}\n\n"
        await exchange.chunk(endpoint.encode())
        self._streams[session] = exchange
        try:
            await self._hold(exchange, token)
        finally:
            self.mind.sessions.discard(session)
            self._streams.pop(session, None)

    async def _message(self, exchange: Exchange) -> None:
        session = exchange.asked.target.partition("session_id=")[2]
        stream = self._streams.get(session)
        if stream is None:
            await exchange.answer(404)
            return
        await exchange.answer(202)
        answer = await self._answered(exchange.asked.message)
        if answer is not None:
            async with self._speaking:
                await stream.chunk(b"event: message\ndata: " + answer + b"\n\n")

    async def _hold(self, exchange: Exchange, token: AccessToken | None) -> None:
        """Keep a stream open until its client leaves, or its token ends."""
        ends = float("inf")
        if token is not None and self.door.streams_end_with_token:
            ends = max(0.0, token.expires_at - self.providers[0].now())
        with trio.move_on_after(ends) as scope:
            await exchange.stream.receive_some()
        if scope.cancelled_caught:
            async with self._speaking:
                await exchange.chunk(b"")
