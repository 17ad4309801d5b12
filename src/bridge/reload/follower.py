"""Watches the configuration file and asks for a reload once it has been quiet.

The settings are those of the running configuration, so they follow the file too.
"""

from collections.abc import Awaitable, Callable

import trio

from bridge.config.model import ConfigReloadConfig
from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.reload.source import ConfigSource

#: A file that never is quiet is read all the same after this many quiet times.
RESTLESS = 10
#: Where the file cannot be watched, that is tried again this often (s).
TRY_AGAIN = 60.0
HINT = "send SIGHUP or run `bridge reload` after an edit"


class Follower:
    """Runs beside the reloads, for ever."""

    def __init__(
        self,
        source: ConfigSource,
        *,
        settings: Callable[[], ConfigReloadConfig],
        reload: Callable[[], Awaitable[None]],
        log: Log,
    ) -> None:
        self._source = source
        self._settings = settings
        self._reload = reload
        self._log = log
        self._seen = source.stamp
        self._scope = trio.CancelScope()

    def heed_settings(self) -> None:
        """The running configuration is another one: follow as it says."""
        self._scope.cancel()

    async def run(self) -> None:
        """Follow the file as configured, until cancelled."""
        while True:
            with trio.CancelScope() as self._scope:
                await self._follow(self._settings())

    async def _follow(self, settings: ConfigReloadConfig) -> None:
        if not settings.enabled:
            await trio.sleep_forever()
        warned = False
        while True:
            try:
                await self._next_edit(settings.debounce)
            except OSError as error:
                if not warned:
                    self._cannot_watch(error)
                warned = True
                await trio.sleep(TRY_AGAIN)
            else:
                await self._reload()

    async def _next_edit(self, quiet: float) -> None:
        """Returns once the file has changed and been quiet. Raises OSError."""
        stamp = await self._source.changed(since=self._seen)
        enough = trio.current_time() + RESTLESS * quiet
        while trio.current_time() < enough:
            with trio.move_on_after(quiet) as waiting:
                stamp = await self._source.changed(since=stamp)
            if waiting.cancelled_caught:
                break
        self._seen = stamp

    def _cannot_watch(self, error: OSError) -> None:
        self._log.emit(
            events.BRIDGE_WATCH_FAILED,
            file=self._source.name,
            error=error.strerror or str(error),
            hint=HINT,
        )
