"""Agreeing a revision with a legacy server."""

import pytest
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from msgspec import Raw

from bridge.errors import BridgeError, ProtocolError, RevisionUnsupported
from bridge.protocol.dialogue import Ask, Told
from bridge.protocol.frame import raw
from bridge.protocol.handshake import (
    Agreement,
    Introduction,
    agreed,
    initialize_params,
    legacy_handshake,
)

US = Introduction(version="1.2")


def test_we_introduce_ourselves_with_the_newest_legacy_revision() -> None:
    assert initialize_params(US) == {
        "protocolVersion": "2025-11-25",
        "capabilities": {
            "roots": {"listChanged": True},
            "sampling": {},
            "elicitation": {"form": {}, "url": {}},
        },
        "clientInfo": {"name": "bridge", "version": "1.2"},
    }


def test_by_setting_no_questions_are_invited() -> None:
    params = initialize_params(Introduction(version="1", interactive=False))
    assert params["capabilities"] == {"roots": {"listChanged": True}}


@pytest.mark.parametrize("revision", HANDSHAKE_PROTOCOL_VERSIONS)
def test_every_legacy_revision_is_accepted_and_bodies_stay_raw(revision: str) -> None:
    result = Raw(
        b'{"protocolVersion":"%s","capabilities":{"tools":{"x":1.0}},'
        b'"serverInfo":{"name":"s","odd":1e2},"instructions":"hi","more":1}'
        % revision.encode()
    )
    agreement = agreed(result)
    assert agreement == Agreement(
        revision=revision,
        capabilities={"tools": Raw(b'{"x":1.0}')},
        server_info=Raw(b'{"name":"s","odd":1e2}'),
        instructions="hi",
    )
    assert agreement.offers("tools")
    assert not agreement.offers("prompts")


def test_missing_members_are_forgiven() -> None:
    result = raw({"protocolVersion": "2024-11-05", "instructions": None})
    assert agreed(result) == Agreement(revision="2024-11-05")


@pytest.mark.parametrize("revision", ["2026-07-28", "1.0", "", "x" * 10_000])
def test_any_other_revision_is_refused_in_a_short_sentence(revision: str) -> None:
    with pytest.raises(RevisionUnsupported) as caught:
        agreed(raw({"protocolVersion": revision}))
    assert len(caught.value.public) < 250


@pytest.mark.parametrize("result", [b"{}", b"[]", b'{"protocolVersion":1}', b'"\xff"'])
def test_what_is_no_such_result_is_a_protocol_error(result: bytes) -> None:
    with pytest.raises(ProtocolError):
        agreed(Raw(result))


def told(answer: Told) -> Agreement:
    dialogue = legacy_handshake(US)
    assert next(dialogue) == Ask("initialize", initialize_params(US))
    with pytest.raises(StopIteration) as stop:
        dialogue.send(answer)
    agreement: Agreement = stop.value.value
    return agreement


def test_the_dialogue_ends_with_the_agreement() -> None:
    result = raw({"protocolVersion": "2025-06-18"})
    assert told(Told(result=result)).revision == "2025-06-18"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": -32602, "message": "Unsupported protocol version"}, "revision"),
        ({"code": -32603, "message": "no"}, "invalid"),
        (["odd"], "invalid"),
    ],
)
def test_an_error_answer_says_what_was_refused(error: object, kind: str) -> None:
    with pytest.raises(BridgeError) as caught:
        told(Told(error=raw(error)))
    assert kind in caught.value.code


def test_a_result_has_neither_code_nor_message() -> None:
    answer = Told(result=raw({}))
    assert (answer.code, answer.message) == (None, "")
