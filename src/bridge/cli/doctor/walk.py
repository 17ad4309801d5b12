"""The walk to one server, step by step; what cannot be tried is said to be skipped."""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import trio

from bridge.cli.check import reached_at
from bridge.cli.doctor import meeting, verdicts
from bridge.cli.doctor.finding import (
    Finding,
    Outcome,
    Report,
    failed,
    failure,
    ok,
    skipped,
)
from bridge.cli.doctor.meeting import HeldBearer, meet
from bridge.cli.doctor.trail import Asked, recorded, unasked
from bridge.cli.knock import Knock, knock
from bridge.cli.workshop import Workshop
from bridge.config.model import UpstreamConfig
from bridge.errors import LinkError, OAuthError
from bridge.oauth.challenge import bearer
from bridge.oauth.credential import Credential
from bridge.oauth.discovery import discover
from bridge.oauth.provider import Client, Discovered
from bridge.oauth.registration import identify
from bridge.upstream.account import Account
from bridge.wire.environment import child_environment
from bridge.wire.link import BearerSource, NoBearer
from bridge.wire.open import transport_for

COMMAND = "command"
_NETWORK = (meeting.OPENS, meeting.HANDSHAKE, meeting.TOOLS)
_LOOK_AT_SERVER = "look into the log of the server, or run with --debug"


class Walk:
    """From one configured server to its report. ``register``: where a login would
    register a client, do so now and keep it."""

    def __init__(
        self, server: UpstreamConfig, workshop: Workshop, *, register: bool
    ) -> None:
        self._server = server
        self._workshop = workshop
        self._register = register
        self._findings: list[Finding] = []

    async def report(self) -> Report:
        """Every step, once."""
        if self._server.url:
            await self._network()
        else:
            await self._local()
        return Report(
            server=self._server.name,
            place=reached_at(self._server),
            findings=tuple(self._findings),
        )

    def _note(self, *findings: Finding) -> bool:
        """Keep them. True when the last is a tick."""
        self._findings += findings
        return findings[-1].outcome is Outcome.OK

    # --- a program on this machine ---

    async def _local(self) -> None:
        if not self._note(self._command()):
            self._skip(_NETWORK, "there is no such program")
            return
        await self._meet(NoBearer())

    def _command(self) -> Finding:
        server = self._server
        env = child_environment(
            self._workshop.ports.environment,
            server.env,
            name=server.name,
            log_level=server.log_level,
        )
        folder = server.working_directory or None
        if folder is not None and not Path(folder).is_dir():
            return failed(
                COMMAND,
                f"its folder {folder} does not exist",
                advice="change `working_directory`",
            )
        found = shutil.which(server.command, path=env.get("PATH"))
        if found is None:
            return failed(
                COMMAND,
                f"no program {server.command} on the PATH it would get",
                advice="install it, or give `command` its whole path",
            )
        return ok(COMMAND, found)

    # --- a server on the network ---

    async def _network(self) -> None:
        server = self._server
        login = server.oauth.enabled
        found = await self._knock()
        if found is None:
            self._skip([*_STEPS_OF_A_LOGIN, *_NETWORK] if login else _NETWORK, _SILENT)
            return
        well = self._note(verdicts.door(found, transport=server.transport, login=login))
        if login:
            await self._with_login(found)
        elif well:
            await self._meet(NoBearer())
        else:
            self._skip(_NETWORK, "the server does not let us in")

    async def _knock(self, token: str = "") -> Knock | None:
        client = self._workshop.http.client(verify=self._server.verify_ssl)
        try:
            return await knock(self._server, client, token=token)
        except LinkError as error:
            step = verdicts.ACCEPTED if token else verdicts.ANSWERS
            advice = "check `url`, that the server runs, and the way to it"
            place = reached_at(self._server)
            self._note(failed(step, error.public, asked=place, advice=advice))
            return None
        finally:
            await client.aclose()

    async def _with_login(self, found: Knock) -> None:
        account = self._workshop.account(self._server)
        discovered = await self._discover(account, found)
        if discovered is not None:
            await self._identify(account, discovered)
        held = await account.stored.load()
        now = self._workshop.ports.clock.now()
        name = self._server.name
        trouble = account.stored.trouble
        good = self._note(
            verdicts.token(name, held, discovered, now=now, trouble=trouble)
        )
        if held is None or not good:
            self._skip([verdicts.ACCEPTED, *_NETWORK], "no token to try it with")
            return
        await self._with_token(held, discovered)

    async def _discover(self, account: Account, found: Knock) -> Discovered | None:
        trail: list[Asked] = []
        settings = account.settings
        steps = recorded(discover(settings, bearer(found.challenge)), trail)
        try:
            outcome = await account.dialogues.perform(steps)
        except OAuthError as error:
            self._note(*verdicts.discovery(settings, trail, error))
            missing = [verdicts.CLIENT]
            if settings.grant == "authorization_code":
                missing.insert(0, verdicts.PKCE)
            self._skip(missing, "the provider is not known")
            return None
        self._note(*verdicts.discovery(settings, trail, outcome))
        return outcome

    async def _identify(self, account: Account, found: Discovered) -> None:
        if (pkce := verdicts.pkce(account.settings, found)) is not None:
            self._note(pkce)
        try:
            client = await self._client(account, found)
        except OAuthError as error:
            self._note(failure(verdicts.CLIENT, error))
            return
        self._note(verdicts.client(client, found))

    async def _client(self, account: Account, found: Discovered) -> Client | None:
        """Who we are there; None where a login would register."""
        provider = found.provider
        known = await account.stored.client(provider.issuer)
        steps = identify(
            account.settings,
            provider,
            known=known,
            now=self._workshop.ports.clock.now(),
        )
        if not self._register:
            return unasked(steps)
        client = await account.dialogues.perform(steps)
        if client.source == "registered" and client != known:
            await account.stored.keep_client(client)
        return client

    async def _with_token(self, held: Credential, found: Discovered | None) -> None:
        token = held.tokens.access_token
        answer = await self._knock(token)
        if answer is None:
            self._skip(_NETWORK, _SILENT)
            return
        said = verdicts.accepted(self._server.name, held, answer, found)
        if self._note(said):
            await self._meet(HeldBearer(token))
        else:
            self._skip(_NETWORK, "the server does not let us in")

    async def _meet(self, bearer_source: BearerSource) -> None:
        workshop = self._workshop
        transport = transport_for(
            self._server,
            ports=workshop.ports,
            http=workshop.http,
            bearer=bearer_source,
            log=workshop.log,
            limits=workshop.config.bridge.limits,
        )
        rng = workshop.ports.entropy.random
        met = await meet(self._server, transport, rng=rng, log=workshop.log)
        self._note(*meeting.findings(met, advice=_LOOK_AT_SERVER))

    def _skip(self, steps: Iterable[str], why: str) -> None:
        self._findings += [skipped(step, why) for step in steps]


_SILENT = "the server does not answer"
_STEPS_OF_A_LOGIN = (
    verdicts.RESOURCE,
    verdicts.ISSUER,
    verdicts.METADATA,
    verdicts.PKCE,
    verdicts.CLIENT,
    verdicts.TOKEN,
    verdicts.ACCEPTED,
)


async def walk_all(
    servers: Sequence[UpstreamConfig],
    workshop: Workshop,
    *,
    register: bool,
    at_once: int = 4,
) -> tuple[Report, ...]:
    """The reports of all, in their order; a few walks at a time."""
    reports: dict[str, Report] = {}
    limiter = trio.CapacityLimiter(at_once)

    async def one(server: UpstreamConfig) -> None:
        async with limiter:
            walk = Walk(server, workshop, register=register)
            reports[server.name] = await walk.report()

    async with trio.open_nursery() as nursery:
        for server in servers:
            nursery.start_soon(one, server)
    return tuple(reports[server.name] for server in servers)


def chosen(
    servers: Sequence[UpstreamConfig], wanted: str | None
) -> Iterator[UpstreamConfig]:
    """Those to walk to: the one named, or all that are enabled. Pure."""
    for server in servers:
        if server.name == wanted or (wanted is None and server.enabled):
            yield server
