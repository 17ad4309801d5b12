"""What the management routes and the command line may ask of a running bridge."""

from typing import Protocol

from bridge.observe.status import BridgeStatus, OAuthStatus


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
