"""From the bytes of a file to a checked configuration, everything wrong at once.

Precedence (R26): command line, environment, file, default. Nothing here writes (R24).
"""

from collections.abc import Iterator, Mapping

import msgspec

from bridge.config.check import check_bridge
from bridge.config.check_policy import check_access, check_limits
from bridge.config.check_server import check_server, settle
from bridge.config.expand import Commands, Substitute
from bridge.config.findings import SERVERS, Findings, fatal, first_reasons, render
from bridge.config.jsonc import Document, Json, JsonInvalid, Path, parse
from bridge.config.model import BridgeConfig, Config, LeftOut, UpstreamConfig
from bridge.config.names import slug
from bridge.config.overlay import Overrides, overlay
from bridge.config.read import Reader
from bridge.config.spelling import NOTES, suggestion
from bridge.errors import ConfigError, Problem

_TOP = (SERVERS, "bridge")
_SERVERS_SPELLED = (SERVERS, "mcp_servers")


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration that can start. ``problems``: warnings, and servers left out."""

    config: Config
    problems: tuple[Problem, ...]


def load_config(
    text: bytes,
    *,
    source: str,
    environment: Mapping[str, str],
    overrides: Overrides | None = None,
    substitute: Substitute | None = None,
) -> Loaded:
    """Read and check one file. ``source`` is its name, for messages.

    ``substitute`` runs a command of ``$(command ...)``; without it all are refused.
    Raises ConfigError, with every problem found, when nothing can start.
    """
    try:
        document = parse(text)
    except JsonInvalid as invalid:
        problem = Problem("(file)", invalid.reason, at=invalid.at)
        raise _refused(source, (problem,)) from None
    loader = _Loader(document, environment, substitute=substitute)
    config = loader.config(overrides or Overrides())
    problems = loader.findings.problems
    if fatal(problems):
        raise _refused(source, problems)
    missing = first_reasons(problems)
    config = msgspec.structs.replace(
        config,
        upstreams=tuple(s for s in config.upstreams if s.name not in missing),
        left_out=tuple(LeftOut(name, reason) for name, reason in missing.items()),
    )
    return Loaded(config=config, problems=problems)


def _refused(source: str, problems: tuple[Problem, ...]) -> ConfigError:
    count = sum(problem.fatal for problem in problems)
    return ConfigError(
        f"{source}: {count} {'error' if count == 1 else 'errors'}", problems
    )


class _Loader:
    def __init__(
        self,
        document: Document,
        environment: Mapping[str, str],
        *,
        substitute: Substitute | None,
    ) -> None:
        self.findings = Findings(document.positions)
        self._document = document
        self._environment = environment
        self._substitute = substitute

    def config(self, overrides: Overrides) -> Config:
        top = self._top()
        # Repeated keys count as errors of the place they stand in; the excuse of a
        # disabled server must be known before anything is said about it.
        servers = self._server_entries(top)
        self._excuse_disabled(servers)
        self._report_repeated()
        bridge = self._bridge(top.get("bridge"), overrides)
        self._check_names(servers)
        upstreams = tuple(self._upstreams(servers, self._commands(bridge)))
        check_access(bridge, upstreams, self.findings)
        return Config(upstreams=upstreams, bridge=bridge)

    def _top(self) -> dict[str, Json]:
        value = self._document.value
        if not isinstance(value, dict):
            self.findings.fatal((), "expected an object with mcpServers and bridge")
            return {}
        for key in value:
            if key not in (*_TOP, *_SERVERS_SPELLED, *NOTES):
                self.findings.warning(
                    (key,), "unknown key, ignored", suggestion(key, _TOP)
                )
        return value

    def _server_entries(self, top: dict[str, Json]) -> dict[str, Json]:
        given = [key for key in _SERVERS_SPELLED if top.get(key) is not None]
        if not given:
            if isinstance(self._document.value, dict):
                self.findings.fatal((SERVERS,), "missing", 'write "mcpServers": {...}')
            return {}
        self.findings.written_as((SERVERS,), (given[0],))
        for other in given[1:]:
            self.findings.warning((other,), f"ignored, because {given[0]} is given too")
        servers = top[given[0]]
        if not isinstance(servers, dict):
            self.findings.fatal((SERVERS,), "expected an object ({...})")
            return {}
        return servers

    def _excuse_disabled(self, servers: dict[str, Json]) -> None:
        for name, value in servers.items():
            if self._is_disabled(value):
                self.findings.excuse(name)

    def _report_repeated(self) -> None:
        for path in self._document.repeated:
            reason = "this key is given more than once"
            if path[0] in _SERVERS_SPELLED and len(path) > len(("servers", "name")):
                self.findings.error((SERVERS, *path[1:]), reason)
            else:
                self.findings.fatal(path, reason)

    def _bridge(self, value: Json, overrides: Overrides) -> BridgeConfig:
        reader = self._reader(Commands())  # the section that permits runs none itself
        read = reader.section(BridgeConfig, {} if value is None else value, ("bridge",))
        bridge = overlay(
            read,
            environment=self._environment,
            overrides=overrides,
            findings=self.findings,
        )
        check_bridge(bridge, self.findings)
        check_limits(bridge, ("bridge",), self.findings)
        return bridge

    def _commands(self, bridge: BridgeConfig) -> Commands:
        return Commands(
            enabled=bridge.allow_command_substitution,
            allowed=bridge.allowed_commands,
            dangerous=bridge.allow_dangerous_commands,
            run=self._substitute,
        )

    def _reader(self, commands: Commands, *, quiet: bool = False) -> Reader:
        return Reader(
            self.findings,
            environment=self._environment,
            commands=commands,
            quiet=quiet,
        )

    def _check_names(self, servers: dict[str, Json]) -> None:
        """R25: one name, one address."""
        if not servers:
            self.findings.warning((SERVERS,), "empty, so that nothing is offered")
        taken: dict[str, str] = {}
        for name in servers:
            address = slug(name)
            path: Path = (SERVERS, name)
            if not address:
                self.findings.error(path, "a name needs a letter or digit (a-z, 0-9)")
            elif other := taken.get(address):
                self.findings.fatal(
                    path,
                    f"has the same address as {render((SERVERS, other))}: {address}",
                    "rename one of the two",
                )
            else:
                taken[address] = name

    def _upstreams(
        self, servers: dict[str, Json], commands: Commands
    ) -> Iterator[UpstreamConfig]:
        for name, value in servers.items():
            yield self._upstream(name, value, commands)

    def _upstream(self, name: str, value: Json, commands: Commands) -> UpstreamConfig:
        path: Path = (SERVERS, name)
        disabled = self._is_disabled(value)
        reader = self._reader(Commands() if disabled else commands, quiet=disabled)
        read = reader.section(UpstreamConfig, value, path)
        server = settle(msgspec.structs.replace(read, name=name))
        if isinstance(value, dict) and not disabled:
            check_server(server, path, self.findings)
            check_limits(server, path, self.findings)
        return server

    def _is_disabled(self, value: Json) -> bool:
        """Whether ``enabled`` says no, before anything else of the server is read."""
        if not isinstance(value, dict) or "enabled" not in value:
            return False
        silent = Findings({})
        reader = Reader(
            silent, environment=self._environment, commands=Commands(), quiet=True
        )
        only: dict[str, Json] = {"enabled": value["enabled"]}
        return not reader.section(UpstreamConfig, only, ()).enabled
