"""Carries a dialogue (a handshake, the reading of lists) over a connection."""

from collections.abc import Callable
from typing import Generic, TypeVar

import trio

from bridge.errors import BridgeError, LinkError
from bridge.protocol.dialogue import Ask, Dialogue, Told
from bridge.upstream.connection import Connection

T = TypeVar("T")


class Conversation(Generic[T]):
    """One run of a dialogue. Ends in ``done`` or ``failed``, or with its epoch."""

    def __init__(
        self,
        connection: Connection,
        dialogue: Dialogue[T],
        *,
        patience: float,
        done: Callable[[T], None],
        failed: Callable[[BridgeError], None],
    ) -> None:
        self._connection = connection
        self._dialogue = dialogue
        self._patience = patience  # for each answer
        self._done = done
        self._failed = failed

    def begin(self) -> None:
        """Send the first request."""
        self._go_on(None)

    def _hear(self, told: Told | LinkError) -> None:
        if isinstance(told, Told):
            self._go_on(told)
            return
        self._dialogue.close()
        self._failed(told)

    def _go_on(self, told: Told | None) -> None:
        try:
            # a generator that has not begun takes None, as next() would give it
            ask = next(self._dialogue) if told is None else self._dialogue.send(told)
        except StopIteration as stop:
            self._done(stop.value)
        except BridgeError as error:
            self._failed(error)
        else:
            self._ask(ask)

    def _ask(self, ask: Ask) -> None:
        due = trio.current_time() + self._patience
        self._connection.ask(ask, due=due, done=self._hear)
