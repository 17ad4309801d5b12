"""What a command needs to do the work of a bridge by itself: the same parts."""

import msgspec
import trio

from bridge.cli.exit import complain
from bridge.cli.invocation import Invocation
from bridge.cli.knock import knock
from bridge.cli.local_logins import LocalLogins
from bridge.cli.remarks import command_log
from bridge.cli.table import printable
from bridge.config import Overrides
from bridge.config.findings import left_out
from bridge.config.model import Config, UpstreamConfig
from bridge.downstream.callback import CallbackDesk
from bridge.errors import LinkError
from bridge.http import HttpClients
from bridge.oauth.address import http_url
from bridge.observe.logging import Log
from bridge.ports import Ports
from bridge.system import real_ports
from bridge.upstream.account import Account
from bridge.upstream.file_store import open_store
from bridge.upstream.login import Reception
from bridge.upstream.open_account import open_account
from bridge.upstream.token_store import TokenStore


class NoBrowser:
    """For people who open the address themselves."""

    async def open(self, url: str) -> bool:  # noqa: ARG002 - the port's
        await trio.lowlevel.checkpoint()
        return False


class Workshop:
    """Over one configuration and one world. Nothing is opened before it is used.

    ``left_out``: servers the file names, but not in a way that could be used.
    """

    def __init__(
        self,
        config: Config,
        *,
        ports: Ports,
        store: TokenStore,
        log: Log,
        left_out: tuple[str, ...] = (),
    ) -> None:
        self.config = config
        self.left_out = left_out
        self.ports = ports
        self.store = store
        self.log = log
        self.http = HttpClients(ports.network)

    def logins(self) -> LocalLogins:
        """The logins of the servers that have one."""
        desk = self._desk()
        reception = Reception(desk=desk, browser=self.ports.browser)
        servers = {each.name: each for each in with_login(self.config)}

        async def challenge(name: str) -> str:
            return await self._challenge(servers[name])

        return LocalLogins(
            {name: self.account(server, reception) for name, server in servers.items()},
            desk=desk,
            knock=challenge,
            served=[each.name for each in self.config.upstreams],
        )

    def account(
        self, server: UpstreamConfig, reception: Reception | None = None
    ) -> Account:
        """Ours at ``server``. Without a ``reception`` nobody can be asked to log in."""
        return open_account(
            server,
            self.config.bridge,
            ports=self.ports,
            http=self.http,
            store=self.store,
            reception=reception or Reception(desk=self._desk(), browser=NoBrowser()),
            log=self.log,
        )

    def _desk(self) -> CallbackDesk:
        return CallbackDesk(
            network=self.ports.network,
            clock=self.ports.clock,
            log=self.log,
            port=self.config.bridge.oauth_port,
            hosts={each.oauth.redirect_host for each in with_login(self.config)},
        )

    async def _challenge(self, server: UpstreamConfig) -> str:
        client = self.http.client(verify=server.verify_ssl)
        try:
            return (await knock(server, client)).challenge
        except LinkError:
            return ""  # discovery asks it too, and tells what is wrong
        finally:
            await client.aclose()


def with_login(config: Config) -> list[UpstreamConfig]:
    """The servers a bridge would log in to."""
    return [s for s in config.upstreams if s.enabled and s.url and s.oauth.enabled]


def open_workshop(invocation: Invocation, *, browser: bool = True) -> Workshop:
    """Over the configuration found and this machine. Raises CommandFailed."""
    # Who comes in downstream does not matter here.
    loaded = invocation.load(Overrides(host="127.0.0.1", no_auth=True))
    config = loaded.config
    for name in (faulty := tuple(sorted(left_out(loaded.problems)))):
        complain(
            f"server '{printable(name)}' is left out, its configuration is wrong: "
            "`bridge check` says where"
        )
    ports = real_ports(invocation.environment)
    if not browser:
        ports = msgspec.structs.replace(ports, browser=NoBrowser())
    log = command_log(config, clock=ports.clock, debug=invocation.debug)
    store = open_store(
        config.bridge,
        ports,
        home=invocation.home,
        log=log,
        servers=[(each.name, http_url(each.url)) for each in with_login(config)],
    )
    return Workshop(config, ports=ports, store=store, log=log, left_out=faulty)
