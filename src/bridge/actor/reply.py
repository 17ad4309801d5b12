"""The answer to one call: news on the way, then exactly one outcome."""

from typing import Generic, Protocol, TypeVar

E_contra = TypeVar("E_contra", contravariant=True)
O_contra = TypeVar("O_contra", contravariant=True)
E = TypeVar("E")
O = TypeVar("O")  # noqa: E741


class ReplySink(Protocol[E_contra, O_contra]):
    """Where a reply goes. Both are synchronous, never wait and never raise."""

    def tell(self, event: E_contra) -> None: ...
    def finish(self, outcome: O_contra) -> None: ...


class Reply(Generic[E, O]):
    """Resolves once. After that, and after `abandon`, everything is dropped."""

    __slots__ = ("_sink",)

    def __init__(self, sink: ReplySink[E, O]) -> None:
        self._sink: ReplySink[E, O] | None = sink

    @property
    def open(self) -> bool:
        """Nobody has resolved or abandoned it yet."""
        return self._sink is not None

    def tell(self, event: E) -> None:
        """Pass on news; dropped once the reply is closed."""
        if self._sink is not None:
            self._sink.tell(event)

    def resolve(self, outcome: O) -> bool:
        """Give the outcome. False when it was already resolved or abandoned."""
        sink, self._sink = self._sink, None
        if sink is None:
            return False
        sink.finish(outcome)
        return True

    def abandon(self) -> None:
        """The asker has gone: drop whatever comes."""
        self._sink = None
