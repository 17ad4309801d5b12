"""The seam between an upstream's connection and whoever owns its tokens."""

from collections.abc import Callable
from typing import Protocol

import trio

from bridge.upstream.state import BearerReady, LoginNeeded, RenewFailed

Verdict = BearerReady | RenewFailed | LoginNeeded
Tell = Callable[[Verdict], None]


class TokenOwner(Protocol):
    """All but `run` is synchronous."""

    async def run(self, tell: Tell, *, task_status: trio.TaskStatus[None]) -> None:
        """Own the tokens until cancelled; started once those of before are read.

        ``tell`` hears what the connection may count on.
        """
        ...

    def needed(self, challenge: str, generation: int) -> None:
        """A connection with the token of this generation (0: with none) was refused."""
        ...

    def log_in(self, *, force: bool) -> None:
        """An operator wants a login; ``force``: even with a good token."""
        ...

    def log_out(self) -> None:
        """An operator wants the login forgotten."""
        ...
