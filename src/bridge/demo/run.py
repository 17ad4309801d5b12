"""`bridge demo`: issuer, two upstreams and the bridge in front, in one process.

The bridge is the real one, with validation on, from a configuration like any user's.
Only the clock is a process of its own: it is a stdio upstream.
"""

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import click
import msgspec
import trio

from bridge.app import Bridge
from bridge.cli.exit import EXIT_FAILED, complain
from bridge.cli.serve import control_in, run_until_stopped
from bridge.cli.signals import heed_hangups
from bridge.cli.table import printable
from bridge.config import Config, Overrides, load_config
from bridge.demo.greeting import Scene, called_as, greeting
from bridge.demo.issuer import AUDIENCE, DevelopmentIssuer
from bridge.demo.login import CheckFailed, Visitor
from bridge.demo.notes_server import PATH, Notebook, NotesPages, notes_server
from bridge.demo.web import LOOPBACK, serve_handler
from bridge.downstream.message import Handler
from bridge.observe.logging import Log, build_log
from bridge.observe.outlet import Outlet
from bridge.observe.redact import Redactor
from bridge.ports import Ports
from bridge.system import real_ports

DEFAULT_PORT = 8080
#: Upstreams on this machine are up in a second; a busy machine may take longer.
_READY_WITHIN = 30.0
_READY_POLL = 0.02


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asked for. ``home`` gets the control socket."""

    port: int | None
    only_check: bool
    debug: bool
    home: Path


def demo(wish: Wish, *, environment: Mapping[str, str]) -> int:
    """Run it until Ctrl-C, or until the check is done. Returns the exit status."""
    ports = real_ports(environment)
    outlet = Outlet(sys.stderr.fileno())
    log = build_log(
        level=log_level(wish),
        format="console",
        write=outlet.write,
        clock=ports.clock,
        redactor=Redactor(),
    )
    try:
        return trio.run(Demo(wish, ports=ports, log=log).run)
    finally:
        outlet.flush(1.0)


def log_level(wish: Wish) -> str:
    """The check is refused on purpose once; that is no news."""
    if wish.debug:
        return "DEBUG"
    return "ERROR" if wish.only_check else "WARNING"


class Served:
    """Takes the address of a bridge once it serves; a `trio.TaskStatus`."""

    def __init__(self) -> None:
        self.url = ""
        self._known = trio.Event()

    def started(self, value: str = "") -> None:
        """Called by `Bridge.run`."""
        self.url = value
        self._known.set()

    async def wait(self) -> str:
        await self._known.wait()
        return self.url


class Demo:
    """Everything that runs, and what is said about it."""

    def __init__(self, wish: Wish, *, ports: Ports, log: Log) -> None:
        self._wish = wish
        self._ports = ports
        self._log = log
        self._issuers: list[DevelopmentIssuer] = []
        self._failure = ""

    async def run(self) -> int:
        """Start everything in order; the exit status once all has ended."""
        async with trio.open_nursery() as nursery:
            issuer_url: str = await nursery.start(
                serve_handler, self._issuer, self._ports, self._log
            )
            notes: str = await nursery.start(
                serve_handler, _notes, self._ports, self._log
            )
            port = await self._port()
            config = configuration(issuer=issuer_url, notes=notes + PATH, port=port)
            bridge = self._bridge(config)
            served = Served()
            nursery.start_soon(self._present, bridge, served, notes + PATH)
            nursery.start_soon(partial(heed_hangups, None, log=self._log))
            status = await run_until_stopped(bridge, config.bridge, task_status=served)
            nursery.cancel_scope.cancel()
        if self._failure:
            complain(f"the check failed: {printable(self._failure)}")
            return EXIT_FAILED
        return status

    def _issuer(self, url: str) -> Handler:
        issuer = DevelopmentIssuer(
            url, clock=self._ports.clock, entropy=self._ports.entropy
        )
        self._issuers.append(issuer)
        return issuer.handle

    def _bridge(self, config: Config) -> Bridge:
        # A check is over in a moment: nobody will ask it for its status.
        listen = None if self._wish.only_check else control_in(self._wish.home)
        return Bridge(
            config=config, ports=self._ports, log=self._log, listen_control=listen
        )

    async def _port(self) -> int:
        """The wished port, else the usual one, else a free one."""
        if self._wish.port is not None:
            return self._wish.port
        try:
            listeners = await self._ports.network.listen(LOOPBACK, DEFAULT_PORT)
        except OSError:
            return 0
        for listener in listeners:
            await listener.aclose()
        return DEFAULT_PORT

    async def _present(self, bridge: Bridge, served: Served, notes: str) -> None:
        url = await served.wait()
        with trio.move_on_after(_READY_WITHIN):
            while not bridge.control.ready:  # noqa: ASYNC110 - a moment, once
                await trio.sleep(_READY_POLL)
        scene = self._scene(url, notes)
        if not self._wish.only_check:
            click.echo(greeting(scene))
            return
        await self._check(scene)
        await bridge.stop()

    async def _check(self, scene: Scene) -> None:
        visitor = Visitor(scene, ports=self._ports, log=self._log, say=_say)
        try:
            await visitor.visit()
        except CheckFailed as failure:
            self._failure = str(failure)
        else:
            click.echo("the demo works")

    def _scene(self, url: str, notes: str) -> Scene:
        issuer = self._issuers[0]
        return Scene(
            bridge=url,
            issuer=issuer.url,
            notes=notes,
            token=issuer.mint(),
            client_secret=issuer.client_secret,
            command=called_as(sys.argv[0], folder=str(Path.cwd())),
        )


def _say(sentence: str) -> None:
    click.echo(f"ok  {printable(sentence)}")


def _notes(_url: str) -> Handler:
    notebook = Notebook("The bridge offers many servers as one.")
    return NotesPages(notes_server(notebook)).handle


def configuration(*, issuer: str, notes: str, port: int) -> Config:
    """The demo's configuration, read and checked like that of any user."""
    file = {
        "mcpServers": {
            "clock": {
                "command": sys.executable,
                "args": ["-m", "bridge.demo.clock_server"],
                "tags": ["demo", "local"],
            },
            "notes": {
                "transport": "streamablehttp",
                "url": notes,
                "tags": ["demo", "remote"],
            },
        },
        "bridge": {
            "host": LOOPBACK,
            "auth": {"issuer": issuer, "audience": AUDIENCE},
            "drainTimeout": 10,
        },
    }
    loaded = load_config(
        msgspec.json.encode(file),
        source="the demo's configuration",
        environment={},  # an identity provider set for the real one stays out of it
        overrides=Overrides(port=port),
    )
    return loaded.config
