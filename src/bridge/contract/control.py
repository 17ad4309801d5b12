"""What the management routes and the command line may ask of a running bridge."""

from typing import Protocol

from bridge.observe.status import BridgeStatus


class Control(Protocol):
    @property
    def ready(self) -> bool:
        """Each upstream is served or has failed once, and no stop has begun."""
        ...

    @property
    def draining(self) -> bool:
        """A stop has begun: no new session, no new call."""
        ...

    def status(self) -> BridgeStatus: ...

    def reconnect(self, name: str) -> bool:
        """Give up the link of an upstream and connect anew. False: no such upstream."""
        ...

    def rescan(self) -> int:
        """Ask every connected upstream for its lists again; how many were asked."""
        ...
