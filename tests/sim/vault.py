"""Upstreams behind a login: a strict provider, two servers it guards, a person.

The provider forgives nothing: a refresh token used again though its successor was
delivered, two refreshes at once, a token sent elsewhere are breaches of the bridge.
What an answer lost on the network or a kill costs is no breach, only a new login.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import trio

from bridge.config.model import OAuthConfig
from kit import provider_faults as faults
from kit.issuer import NOW
from kit.login_log import secrets_in
from kit.protected import ProtectedServer
from kit.protected_mind import ProtectedMind
from kit.provider import StrictProvider
from kit.provider_faults import Fault, Turn
from kit.provider_rules import Breaches, Rules
from kit.sign_in import Person
from sim import mind as lines
from sim.chance import Chance, Lot
from sim.mind import Mind
from sim.network import SimulatedInternet
from sim.scenario import SAFE, VAULT
from sim.trace import Trace

#: An answer on its way is read within this, or lost with its connection.
UNDER_WAY = 0.25
#: No page keeps a person for longer.
PATIENCE = 20.0
#: Decision D11: sent by the provider, renamed by us; twice the network and the disk.
WINDOW = 0.5

_TOO_MANY = faults.answering(429)
#: What goes wrong at a provider, for one request or for a while.
ONCE: dict[str, Callable[[], Fault]] = {
    "provider 500": lambda: faults.answering(500),
    "provider cut": lambda: faults.cut,
    "provider answer lost": lambda: faults.answer_lost,
    "provider half an answer": lambda: faults.half_an_answer,
    "provider html": faults.html,
    "provider 429": lambda: _TOO_MANY,
    "provider slow": lambda: faults.slow(2.0),
    "provider refuses": lambda: faults.refusing("invalid_grant"),
}
WHILE: dict[str, Callable[[], Fault]] = {
    "provider down": lambda: faults.answering(503),
    "provider silent": lambda: faults.silent,
}
MISCHIEF: Lot[str] = Lot(
    [
        *((name, 3) for name in ONCE),
        *((name, 2) for name in WHILE),
        ("provider revokes all", 2),
        ("tokens rejected", 4),
        ("provider forgets clients", 1),
        ("provider rotates key", 2),
    ]
)


#: What a person does who opens an old page once more.
OF_PEOPLE = frozenset({"state.reused", "pkce.reused"})


class TracedBreaches(Breaches):
    """A broken rule is a breach of the run at once."""

    def __init__(self, trace: Trace) -> None:
        super().__init__()
        self._trace = trace

    def note(self, rule: str, detail: str = "") -> None:
        super().note(rule, detail)
        if rule in OF_PEOPLE:
            return
        self._trace.breach("tokens", f"{rule} {detail}")


class GuardedMind(ProtectedMind):
    """What a protected server knows, told by the mind of a simulated one."""

    def __init__(self, mind: Mind) -> None:
        super().__init__()
        self._mind = mind

    async def answer(self, message: dict[str, Any]) -> dict[str, object] | None:
        method, id_ = message.get("method"), message.get("id")
        if method is None or id_ is None:
            return None
        if method == "tools/call":
            return await self._call(id_, message["params"])
        result = self._mind.told(method)
        if result is None:
            return msgspec.json.decode(lines.error_line(id_, -32601))
        return msgspec.json.decode(lines.result_line(id_, result))

    async def _call(self, id_: object, params: dict[str, Any]) -> dict[str, object]:
        deed = self._mind.deed()
        await trio.sleep(self._mind.latency(params))
        answer = lines.result_line(id_, self._mind.run(params))
        match deed:
            case "error":
                answer = lines.error_line(id_, -32000)
            case "never":
                await trio.sleep_forever()
            case "late":
                await trio.sleep(lines.LATE)
            case "forget session":
                self.sessions.clear()
            case _:
                pass
        return msgspec.json.decode(answer)


class Vault:
    """The provider, its servers and its person, for the length of a run."""

    def __init__(self, chance: Chance, *, minds: dict[str, Mind], trace: Trace) -> None:
        self._rng = chance.of("provider")
        self._trace = trace
        self.provider = StrictProvider(
            seed=chance.seed,
            breaches=TracedBreaches(trace),
            rules=Rules(
                access_lifetime=self._rng.choice([4.0, 8.0, 20.0]),
                grace=self._rng.choice([0.0, 0.0, 5.0]),
                access_tokens=self._rng.choice(["opaque", "jwt"]),
                access_dies_on_refresh=self._rng.random() < 0.3,
            ),
        )
        self.provider.core.epoch = NOW
        self.servers = {
            VAULT: ProtectedServer(self.provider),
            SAFE: ProtectedServer(self.provider, transport="sse"),
        }
        for name, server in self.servers.items():
            server.mind = GuardedMind(minds[name])

    @property
    def address(self) -> tuple[str, int]:
        return self.provider.site.address

    async def serve(self, network: SimulatedInternet, nursery: trio.Nursery) -> None:
        """Listen; then `person` can log in."""
        self._network = network
        self._person = Person(network)
        await self.provider.serve(network, nursery)
        for server in self.servers.values():
            await server.serve(network, nursery)

    async def person(self, url: str) -> None:
        """Log in, now or a little later; a page that does not load is given up."""
        self._trace.note("person", "logs in")
        self._trace.counts["logins"] += 1
        await trio.sleep(self._rng.uniform(0, 2))
        with trio.move_on_after(PATIENCE):
            try:
                await self._person(url)
            except Exception as error:  # noqa: BLE001 - a browser shows it and goes on
                self._trace.note("person", f"gives up: {type(error).__name__}")

    def settings(self, name: str) -> dict[str, Any]:
        """What the configuration of one of them needs."""
        server = self.servers[name]
        transport = server.transport
        oauth = OAuthConfig(enabled=True)
        return {"url": server.url, "transport": transport, "oauth": oauth}

    # --- what goes wrong ---

    async def misbehave(self, until: Callable[[], bool]) -> None:
        """One trouble after the other."""
        while not until():
            await trio.sleep(self._rng.expovariate(0.5))
            await self._trouble(MISCHIEF.draw(self._rng))

    async def _trouble(self, kind: str) -> None:
        self._trace.fault("provider", kind)
        endpoint = self._rng.choice(["token", "token", "metadata", "registration"])
        match kind:
            case "provider revokes all":
                self.provider.tokens.revoke_everything()
            case "tokens rejected":
                self.provider.tokens.reject_access()
            case "provider forgets clients":
                self.provider.clients.forget()
            case "provider rotates key":
                self.provider.tokens.rotate_key()
            case _ if kind in WHILE:
                self.provider.faults.always(endpoint, WHILE[kind]())
                await trio.sleep(self._rng.uniform(0.5, 6))
                self.provider.faults.heal(endpoint)
            case _:
                self.provider.faults.once(endpoint, self._losing(ONCE[kind]()))

    def _losing(self, fault: Fault) -> Fault:
        """Who does not get an answer was told nothing by it."""

        async def wrapped(turn: Turn) -> None:
            try:
                await fault(turn)
            finally:
                self._untell()

        return wrapped

    def _untell(self) -> None:
        for token in self.provider.tokens.refresh.values():
            token.told = False
        for client in self.provider.clients.known.values():
            client.told = False

    def heal(self) -> None:
        """The provider is in order again, and in less of a hurry."""
        self.provider.rules.access_lifetime = 600.0
        for endpoint in ("token", "metadata", "registration"):
            self.provider.faults.heal(endpoint)
        for client in self.provider.clients.known.values():
            client.forgotten = False  # its backup was restored

    def excuse(self, *, since: float) -> None:
        """Answers given after ``since`` (Trio's time) may not have arrived."""
        for token in self.provider.tokens.refresh.values():
            if token.used_at is not None and token.used_at - NOW >= since:
                token.delivered = False
        self._untell()

    # --- what is checked ---

    def check(self, texts: list[str]) -> None:
        """At the end: no secret was shown."""
        for secret in sorted(self.secrets_in(texts)):
            self._trace.breach("secrets", f"shown: {secret[:14]}…")

    def secrets_in(self, texts: list[str]) -> set[str]:
        clients = self.provider.clients.known.values()
        return secrets_in(
            texts, *(client.secret for client in clients), *self.provider.verifiers
        )
