import msgspec
import pytest
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_HANDSHAKE_VERSION

from bridge.errors import FrameInvalid
from bridge.protocol.frame import members, raw
from bridge.router.welcome import initialize_result, negotiated, read_initialize

HELLO: dict[str, object] = {
    "protocolVersion": "2025-06-18",
    "capabilities": {"sampling": {}, "elicitation": {"url": {}}},
    "clientInfo": {"name": "c", "version": "2"},
}


@pytest.mark.requirement("R49")
@pytest.mark.parametrize("version", HANDSHAKE_PROTOCOL_VERSIONS)
def test_every_legacy_revision_is_answered_with_itself(version: str) -> None:
    assert negotiated(version) == version


@pytest.mark.parametrize("version", ["2026-07-28", "1.0", ""])
def test_another_revision_is_answered_with_the_newest_legacy_one(version: str) -> None:
    assert negotiated(version) == LATEST_HANDSHAKE_VERSION


def test_a_hello_tells_who_the_client_is_and_what_it_can() -> None:
    hello = read_initialize(members(raw(HELLO)))
    assert hello.revision == "2025-06-18"
    assert hello.client == "c 2"
    assert hello.capabilities == {"sampling", "elicitation"}
    assert hello.elicitation_modes == {"url"}


def test_an_empty_elicitation_capability_means_form_mode() -> None:
    given: dict[str, object] = {**HELLO, "capabilities": {"elicitation": {}}}
    assert read_initialize(members(raw(given))).elicitation_modes == {"form"}


@pytest.mark.parametrize("missing", list(HELLO))
def test_a_hello_without_a_member_names_it(missing: str) -> None:
    given = {key: value for key, value in HELLO.items() if key != missing}
    with pytest.raises(FrameInvalid, match=missing):
        read_initialize(members(raw(given)))


def test_the_answer_offers_everything_the_bridge_can_relay() -> None:
    hello = read_initialize(members(raw(HELLO)))
    result = msgspec.json.decode(initialize_result(hello, name="n", version="v"))
    assert result["protocolVersion"] == "2025-06-18"
    assert set(result["capabilities"]) == {
        "tools",
        "prompts",
        "resources",
        "completions",
        "logging",
    }
    assert result["serverInfo"] == {"name": "n", "version": "v"}
