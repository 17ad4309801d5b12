"""Accepts connections and gives each to hypercorn's engine; drains before it stops."""

from collections.abc import Sequence

import trio
from hypercorn.trio.worker_context import WorkerContext

from bridge.downstream.connection import Application, Connection, Settings
from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.ports import WallClock

Listener = trio.abc.Listener[trio.abc.Stream]

#: Pause after an accept that failed (no descriptors left): long enough not to spin,
#: short enough that nobody notices once descriptors are back.
ACCEPT_PAUSE = 0.25
#: At the connection limit one that was idle for so long gives way to a newcomer: an
#: attacker's silent ones must not keep everybody else out.
SPARED = 1.0


class HttpServer:
    """Serves one application on any number of listeners."""

    def __init__(
        self,
        app: Application,
        *,
        clock: WallClock,
        log: Log,
        connections: int,
    ) -> None:
        self._app = app
        self._log = log
        self._limit = connections
        self._settings = Settings(clock)
        self._context = WorkerContext(None)
        self._accepting = trio.CancelScope()
        self._live: set[Connection] = set()
        self._left = trio.Event()
        self._paused = False

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._live)

    async def serve(
        self,
        listeners: Sequence[Listener],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Accept until `stop`; return when the last connection has ended.

        Owns and closes the listeners. Cancel it to cut what is left; no write, however
        stuck, delays that.
        """
        async with trio.open_nursery() as connections:
            try:
                with self._accepting:
                    await self._accept_all(listeners, connections, task_status)
            finally:
                await _close(listeners)

    async def stop(self) -> None:
        """Accept nothing more; idle connections end, busy ones after their answer."""
        self._accepting.cancel()
        await self._context.terminated.set()
        for connection in tuple(self._live):
            connection.retire()

    async def _accept_all(
        self,
        listeners: Sequence[Listener],
        connections: trio.Nursery,
        task_status: trio.TaskStatus[None],
    ) -> None:
        async with trio.open_nursery() as nursery:
            for listener in listeners:
                nursery.start_soon(self._accept, listener, connections)
            task_status.started()

    async def _accept(self, listener: Listener, connections: trio.Nursery) -> None:
        while True:
            stream = await self._next(listener)
            if stream is None:
                continue
            try:
                await self._wait_for_room()
            except trio.Cancelled:
                await trio.aclose_forcefully(stream)
                raise
            connections.start_soon(self._serve, self._admit(stream))

    async def _next(self, listener: Listener) -> trio.abc.Stream | None:
        try:
            stream = await listener.accept()
        except OSError as error:
            self._note_pause("accept failed", error=error)
            await trio.sleep(ACCEPT_PAUSE)
            return None
        # Full again at once is the same pause, and no second line in the log.
        self._paused = self._paused and len(self._live) + 1 >= self._limit
        return stream

    async def _wait_for_room(self) -> None:
        while len(self._live) >= self._limit:
            self._note_pause("connection limit reached")
            self._left = trio.Event()
            self._retire_one(trio.current_time() - SPARED)
            with trio.move_on_after(SPARED):
                await self._left.wait()

    def _retire_one(self, idle_before: float) -> None:
        """Who says nothing makes room: the one that has been idle the longest."""
        idlest = min(self._live, key=lambda each: each.idle_since)
        if idlest.idle_since <= idle_before:
            idlest.retire()

    def _note_pause(self, reason: str, *, error: OSError | None = None) -> None:
        if not self._paused:
            self._paused = True
            self._log.emit(
                events.SERVER_ACCEPT_PAUSED,
                reason=reason,
                error="" if error is None else str(error),
                connections=len(self._live),
            )

    def _admit(self, stream: trio.abc.Stream) -> Connection:
        connection = Connection(
            self._app, stream, settings=self._settings, context=self._context
        )
        self._live.add(connection)
        return connection

    async def _serve(self, connection: Connection) -> None:
        try:
            await connection.run()
        except Exception as error:  # noqa: BLE001 - endpoint boundary: one connection
            self._log.emit(events.SERVER_CONNECTION_FAILED, error=type(error).__name__)
        finally:
            self._live.discard(connection)
            self._left.set()


async def _close(listeners: Sequence[Listener]) -> None:
    for listener in listeners:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
            await listener.aclose()
