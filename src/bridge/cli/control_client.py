"""Asks the control socket of one running bridge, again and again."""

from pathlib import Path

from bridge.cli.exit import CommandFailed
from bridge.cli.remote import body_of
from bridge.cli.socket_file import SocketNetwork
from bridge.cli.table import printable
from bridge.errors import LinkError
from bridge.http import HttpClients

_DEADLINE = 15.0


class ControlClient:
    """One bridge on this machine, by the file of its socket."""

    def __init__(self, path: Path) -> None:
        self._fetcher = HttpClients(SocketNetwork(path)).fetcher()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        deadline: float = _DEADLINE,
    ) -> bytes:
        """The body of its answer. Raises CommandFailed, as `remote.body_of` does."""
        try:
            fetched = await self._fetcher.fetch(
                f"http://control{path}", method=method, content=body, deadline=deadline
            )
        except LinkError as error:
            raise CommandFailed(
                f"the running bridge does not answer: {printable(error.public)}"
            ) from error
        return body_of(fetched, token="")
