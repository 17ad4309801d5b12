"""What the management routes and the command line may ask of a running bridge."""

from typing import Protocol

from bridge.observe.status import BridgeStatus, OAuthStatus
from bridge.observe.tree import Node


class Control(Protocol):
    @property
    def ready(self) -> bool:
        """New work is welcome: a client that comes now gets answers.

        No stop has begun; the issuer's keys are there, where tokens are needed; and
        each upstream was up or has failed once, or has had a bounded time for it
        (R138). It says nothing of how many upstreams serve: see `BridgeStatus.state`.
        """
        ...

    @property
    def draining(self) -> bool:
        """A stop has begun: no new session, no new call."""
        ...

    def status(self) -> BridgeStatus: ...

    def tree(self) -> Node:
        """The supervision tree, as it is now."""
        ...

    def reconnect(self, name: str) -> bool:
        """Give up the link of an upstream and connect anew.

        False: there is no such upstream, or it is disabled or invalid.
        """
        ...

    def rescan(self) -> int:
        """Ask every connected upstream for its lists again; how many were asked."""
        ...

    def oauth(self) -> tuple[OAuthStatus, ...]:
        """Every server that logs in with OAuth, in the order of the configuration."""
        ...

    def login(self, name: str, *, force: bool) -> bool:
        """Begin a login. Without ``force`` only where there is no good token.

        ``name``: of the server, or as it stands in addresses. False: no such OAuth
        server.
        """
        ...

    def logout(self, name: str) -> bool:
        """Begin to revoke and forget the tokens. False: no such OAuth server."""
        ...

    async def paste(self, query: str) -> bool | None:
        """A redirect brought by hand, as `LoginDesk.deliver`."""
        ...
