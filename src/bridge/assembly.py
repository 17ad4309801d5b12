"""Builds the actor of an upstream out of its parts, for each of its configurations.

What all upstreams share stands here: the turns at one host, the logins on the disk, the
desk their browsers come back to, what operators have approved.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urljoin

from bridge import __version__
from bridge.actor.mailbox import Mailbox
from bridge.approvals import Approvals
from bridge.config.model import BridgeConfig, UpstreamConfig
from bridge.contract.router import RouterMessage
from bridge.contract.upstream import UpstreamMessage
from bridge.downstream.callback import CallbackDesk
from bridge.fleet import Publish, PublishLogin
from bridge.http import HttpClients
from bridge.oauth.address import http_url
from bridge.observe.logging import Log
from bridge.observe.metrics import Metrics
from bridge.observe.status import PinStatus
from bridge.ports import Ports
from bridge.upstream.actor import UpstreamActor
from bridge.upstream.credentials import Credentials
from bridge.upstream.file_store import open_store
from bridge.upstream.login import Reception
from bridge.upstream.open_account import open_account
from bridge.upstream.pin_keeper import PinKeeper
from bridge.upstream.pin_shelf import PinStore
from bridge.upstream.turns import Turns, place_of
from bridge.upstream.vitals import Fetch, Fetched
from bridge.wire.credentials import with_static
from bridge.wire.link import HeaderSource, NoBearer
from bridge.wire.open import transport_for


class Assembly:
    """Is the `bridge.fleet.Builder` of one bridge. ``bridge()`` gives its section of
    the configuration as it stands; ``home`` is the folder of logins and approvals."""

    def __init__(
        self,
        *,
        bridge: Callable[[], BridgeConfig],
        ports: Ports,
        http: HttpClients,
        to_router: Mailbox[RouterMessage],
        approvals: Approvals,
        metrics: Metrics,
        home: Path,
        log: Log,
    ) -> None:
        self._bridge = bridge
        self._ports = ports
        self._http = http
        self._to_router = to_router
        self._approvals = approvals
        self._metrics = metrics
        self._log = log
        self._turns = Turns(rng=ports.entropy.random)
        self._pins = PinStore(home, ports.files, log=log)
        self._store = open_store(bridge(), ports, home=home, log=log, servers=())
        self.desk = CallbackDesk(
            network=ports.network, clock=ports.clock, log=log, port=bridge().oauth_port
        )

    def configure(self, upstreams: Iterable[UpstreamConfig]) -> None:
        """These are the upstreams from now on: whose logins are whose, and where their
        browsers come back to. Raises `AddressRefused`."""
        logins = [each for each in upstreams if each.enabled and _logs_in(each)]
        self._store.serve((each.name, http_url(each.url)) for each in logins)
        self.desk.hosts = frozenset(each.oauth.redirect_host for each in logins)

    def __call__(
        self,
        config: UpstreamConfig,
        *,
        edition: int,
        epochs: Iterator[int],
        publish: Publish,
        publish_login: PublishLogin,
    ) -> UpstreamActor:
        bridge = self._bridge()
        tokens = self._tokens_of(config, publish_login)
        return UpstreamActor(
            config=config,
            failover=bridge.failover,
            transport=transport_for(
                config,
                ports=self._ports,
                http=self._http,
                bearer=tokens or NoBearer(),
                log=self._log,
                limits=bridge.limits,
            ),
            mailbox=Mailbox[UpstreamMessage](bound=bridge.limits.mailbox),
            to_router=self._to_router,
            publish=publish,
            epochs=epochs,
            rng=self._ports.entropy.random,
            log=self._log,
            version=__version__,
            limits=bridge.limits,
            fetch=http_probe(
                config,
                http=self._http,
                headers=dict if tokens is None else tokens.headers,
            ),
            tokens=tokens,
            pins=self._pins_of(config, edition),
            edition=edition,
            turn=self._turns.at(place_of(config)),
        )

    def _pins_of(self, config: UpstreamConfig, edition: int) -> PinKeeper | None:
        """Who owns what is approved of an upstream; None: it is not pinned."""
        pinned = self._bridge().pin if config.pin is None else config.pin
        if not pinned:
            status = PinStatus(name=config.name, edition=edition, pinned=False)
            self._approvals.publish(status)
            return None
        return PinKeeper(
            self._pins.shelf(config.name),
            name=config.name,
            edition=edition,
            publish=self._approvals.publish,
            log=self._log.bind(upstream=config.name),
        )

    def _tokens_of(
        self, config: UpstreamConfig, publish: PublishLogin
    ) -> Credentials | None:
        """Who owns the login to an upstream; None: it has none."""
        if not _logs_in(config):
            return None
        account = open_account(
            config,
            self._bridge(),
            ports=self._ports,
            http=self._http,
            store=self._store,
            reception=Reception(desk=self.desk, browser=self._ports.browser),
            log=self._log,
            turns=self._turns,
        )
        return Credentials(
            account,
            clock=self._ports.clock,
            rng=self._ports.entropy.random,
            log=self._log,
            publish=publish,
            count=partial(self._metrics.login_step, config.name),
        )


def _logs_in(config: UpstreamConfig) -> bool:
    return bool(config.url) and config.oauth.enabled


def http_probe(
    config: UpstreamConfig, *, http: HttpClients, headers: HeaderSource
) -> Fetch | None:
    """The HTTP health probe of an upstream that has HTTP (R135), else None."""
    if not config.url or config.transport == "websocket":
        return None
    fetcher = http.fetcher(verify=config.verify_ssl)
    every = with_static(config, headers)

    async def fetch(method: str, path: str) -> Fetched:
        # The path is joined as a path: credentials never follow it elsewhere.
        url = urljoin(config.url, "/" + path.lstrip("/"))
        found = await fetcher.fetch(url, method=method, headers=every())
        return Fetched(status=found.status, body=found.body)

    return fetch
