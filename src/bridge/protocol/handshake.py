"""Agreeing a revision and capabilities with an upstream: the legacy ``initialize``.

A handshake is a dialogue, so that detecting the era (protocol 3.3: first
``server/discover``, then, if that is not understood, this) can be put in front of it.
"""

import msgspec
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_HANDSHAKE_VERSION
from msgspec import Raw

from bridge.errors import ProtocolError, RevisionUnsupported
from bridge.protocol.dialogue import Ask, Dialogue, Told

_NOTHING = Raw(b"{}")
_SHOWN = 64  # of a foreign text within a sentence of ours


class Introduction(msgspec.Struct, frozen=True, kw_only=True):
    """What the bridge says of itself. ``interactive``: it can carry questions."""

    name: str = "bridge"
    version: str
    interactive: bool = True


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """What was agreed; bodies as the upstream sent them."""

    revision: str
    capabilities: dict[str, Raw] = {}
    server_info: Raw = _NOTHING
    instructions: str = ""

    def offers(self, capability: str) -> bool:
        """The upstream declared this capability."""
        return capability in self.capabilities


class _Result(msgspec.Struct):
    protocolVersion: str  # noqa: N815 - the wire's own word
    capabilities: dict[str, Raw] = {}
    serverInfo: Raw = _NOTHING  # noqa: N815
    instructions: str | None = None


_results = msgspec.json.Decoder(_Result)


def initialize_params(introduction: Introduction) -> dict[str, object]:
    """The parameters of ``initialize`` (MCP 2025-11-25, lifecycle)."""
    capabilities: dict[str, object] = {"roots": {"listChanged": True}}
    if introduction.interactive:
        capabilities["sampling"] = {}
        capabilities["elicitation"] = {"form": {}, "url": {}}
    return {
        "protocolVersion": LATEST_HANDSHAKE_VERSION,
        "capabilities": capabilities,
        "clientInfo": {"name": introduction.name, "version": introduction.version},
    }


def agreed(result: Raw) -> Agreement:
    """Read the result of ``initialize``.

    Raises `RevisionUnsupported` for a revision that has no ``initialize`` or is not
    known, and `ProtocolError` for what is no such result.
    """
    try:
        read = _results.decode(result)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError("the answer to initialize is not understood") from error
    if read.protocolVersion not in HANDSHAKE_PROTOCOL_VERSIONS:
        raise RevisionUnsupported(
            f"the server speaks revision {read.protocolVersion[:_SHOWN]!r}, which has "
            f"nothing in common with {', '.join(HANDSHAKE_PROTOCOL_VERSIONS)}"
        )
    return Agreement(
        revision=read.protocolVersion,
        capabilities=read.capabilities,
        server_info=read.serverInfo,
        instructions=read.instructions or "",
    )


def legacy_handshake(introduction: Introduction) -> Dialogue[Agreement]:
    """Ask ``initialize`` and read its answer. Raises as `agreed` does.

    An error answer is a `RevisionUnsupported` when it names an unsupported version,
    else a `ProtocolError`. The caller sends ``notifications/initialized`` afterwards.
    """
    told = yield Ask("initialize", initialize_params(introduction))
    if told.result is None:
        raise _refusal(told)
    return agreed(told.result)


def _refusal(told: Told) -> ProtocolError:
    said = told.message[:_SHOWN]
    if "version" in said.lower():
        return RevisionUnsupported(f"the server refused our revision: {said!r}")
    return ProtocolError(f"the server refused initialize: {said!r} ({told.code})")
