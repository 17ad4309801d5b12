"""Asks a running bridge: through its control socket, or at an address with a token."""

import re
from pathlib import Path

import msgspec
import trio

from bridge.cli.exit import EXIT_USAGE, CommandFailed, complain
from bridge.cli.socket_file import SocketNetwork, answering
from bridge.cli.table import printable
from bridge.config.address import WEB, parse_address
from bridge.errors import LinkError
from bridge.http import HttpClients
from bridge.http.fetcher import Fetched
from bridge.ports import Network
from bridge.system import TrioNetwork

_OK = 200
_ACCEPTED = 202
_UNAUTHORIZED = 401
_NOT_FOUND = 404
_CONFLICT = 409
#: A list of thousands of tools with their schemas.
_LARGEST_ANSWER = 64 * 2**20


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Which bridge is asked. ``url`` wins; ``port`` chooses among those of a home."""

    home: Path
    port: int | None = None
    url: str = ""
    token: str = ""


class _Refusal(msgspec.Struct):
    error: str = ""
    message: str = ""


class NotThere(CommandFailed):
    """The bridge knows no such server or tag."""


class Conflict(CommandFailed):
    """The bridge cannot do this as things stand."""


class NoBridge(CommandFailed):
    """No bridge of this home runs."""


def ask(target: Target, path: str, *, method: str = "GET") -> bytes:
    """The JSON of a management page. Raises CommandFailed with a sentence, `NotThere`
    when the bridge has no such page."""
    if target.url:
        base, network = _checked(target), TrioNetwork()
    else:
        base, network = "http://control", SocketNetwork(socket_of(target))
    headers = {"authorization": f"Bearer {target.token}"} if target.token else {}
    try:
        fetched = trio.run(_fetch, network, method, base + path, headers)
    except LinkError as error:
        where = target.url or "the running bridge"
        raise CommandFailed(
            f"{printable(where)} does not answer: {printable(error.public)}"
        ) from error
    return body_of(fetched, token=target.token)


async def _fetch(
    network: Network,
    method: str,
    url: str,
    headers: dict[str, str],  # trio.run gives positional arguments
) -> Fetched:
    fetcher = HttpClients(network).fetcher()
    return await fetcher.fetch(
        url, method=method, headers=headers, max_bytes=_LARGEST_ANSWER
    )


def socket_of(target: Target) -> Path:
    """The control socket of the one bridge meant. Raises `NoBridge`, CommandFailed."""
    found = answering(target.home)
    if target.port is not None:
        found = {port: path for port, path in found.items() if port == target.port}
    match list(found.values()):
        case [path]:
            return path
        case []:
            wanted = "" if target.port is None else f" on port {target.port}"
            raise NoBridge(
                f"no bridge runs here{wanted} (looked in {target.home}); start one "
                "with 'bridge serve', or name another one with --url and --token"
            )
        case _:
            ports = ", ".join(str(port) for port in found)
            raise CommandFailed(
                f"several bridges run, on the ports {ports}; choose one with --port",
                status=EXIT_USAGE,
            )


def _checked(target: Target) -> str:
    """The base address, also when it is given as clients are: with /mcp or /sse.

    A token in clear text on a network is worth a warning.
    """
    address = parse_address(target.url, WEB)
    if isinstance(address, str):
        raise CommandFailed(f"--url: {address}", status=EXIT_USAGE)
    if target.token and not address.private:
        complain("the token travels unencrypted; use https")
    return re.sub(r"/(mcp|sse)\Z", "", target.url.rstrip("/"))


def body_of(fetched: Fetched, *, token: str) -> bytes:
    """The body of a good answer. Raises `NotThere`, `Conflict`, CommandFailed."""
    if fetched.status in (_OK, _ACCEPTED):
        return fetched.body
    if fetched.status == _UNAUTHORIZED:
        raise CommandFailed(
            "the bridge refuses this token; its log says why"
            if token
            else "the bridge wants a token: give one with --token or BRIDGE_TOKEN"
        )
    refusal = _refusal(fetched.body)
    said = printable(refusal.message or refusal.error) or f"status {fetched.status}"
    kinds: dict[int, type[CommandFailed]] = {_CONFLICT: Conflict}
    if refusal.error == "not_found":
        kinds[_NOT_FOUND] = NotThere
    kind = kinds.get(fetched.status, CommandFailed)
    raise kind(f"the bridge says: {said}")


def _refusal(body: bytes) -> _Refusal:
    try:
        return msgspec.json.decode(body, type=_Refusal)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Refusal()
