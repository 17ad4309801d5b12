"""A configuration that is edited while a bridge runs it, on Trio's clock."""

from typing import Any

import trio

from bridge.actor.child import ChildContext
from bridge.config import Config, Difference, Loaded, diff
from bridge.config.diff import applied
from bridge.errors import ConfigError, Problem
from bridge.reload.reloader import Reloader, Running
from kit.configs import LOCAL, load
from kit.journal import Journal

NAME = "/etc/bridge/config.json"
MISSING = ConfigError("no such file", (Problem("(file)", "no such file"),))


class EditedSource:
    """A file edited by hand. ``takes``: how long reading it lasts (s)."""

    name = NAME

    def __init__(self, content: Loaded | ConfigError) -> None:
        self.content = content
        self.stamp = "0"
        self.takes = 0.0
        self.reads = 0
        self.broken: OSError | None = None
        self._version = 0
        self._edited = trio.Event()

    def edit(self, content: Loaded | ConfigError) -> None:
        self.content = content
        self.touch()

    def touch(self) -> None:
        self._version += 1
        self._wake()

    def break_watch(self, error: OSError | None) -> None:
        self.broken = error
        self._wake()

    async def load(self) -> Loaded:
        self.reads += 1
        found = self.content
        await trio.sleep(self.takes)
        if isinstance(found, ConfigError):
            raise found
        return found

    async def changed(self, *, since: str) -> str:
        while True:
            edited = self._edited
            if (broken := self.broken) is not None:
                await trio.lowlevel.checkpoint()
                raise broken
            if str(self._version) != since:
                await trio.lowlevel.checkpoint()
                return str(self._version)
            await edited.wait()

    def _wake(self) -> None:
        self._edited.set()
        self._edited = trio.Event()


class ReloadRoom:
    """A reloader over an edited file and a bridge that only remembers."""

    def __init__(self, content: Loaded) -> None:
        self.journal = Journal()
        self.source = EditedSource(content)
        self.config = content.config
        self.applied: list[Config] = []
        self.draining = False
        self.apply_takes = 0.0
        self.failure: Exception | None = None
        self.hidden_at_apply: list[str] = []
        log = self.journal.log
        running = Running(
            config=lambda: self.config,
            draining=lambda: self.draining,
            apply=self.apply,
        )
        self.reloader = Reloader(self.source, running=running, log=log)
        self.context = ChildContext("reload", log=log)

    async def apply(self, config: Config) -> Difference:
        for _, secrets in self.journal.hidden:
            self.hidden_at_apply.extend(secrets)
        await trio.sleep(self.apply_takes)
        if self.failure is not None:
            raise self.failure
        difference = diff(self.config, config)
        self.config = applied(self.config, config)
        self.applied.append(config)
        return difference

    async def start(self, nursery: trio.Nursery) -> None:
        nursery.start_soon(self.reloader.run, self.context)
        await self.context.wait_started()

    @property
    def names(self) -> list[str]:
        """The servers of what runs now."""
        return [server.name for server in self.config.upstreams]


def servers(*names: str, reload: dict[str, Any] | None = None, **bridge: Any) -> Loaded:
    """A good file with these servers; it is quiet after one second."""
    section = {"configReload": {"debounceMs": 1_000, **(reload or {})}, **bridge}
    return load(dict.fromkeys(names, LOCAL), section)


def one_broken(*names: str) -> Loaded:
    """A file that would start, but for its last server."""
    return load({**dict.fromkeys(names, LOCAL), "broken": {"timeout": 1}})
