"""The public JSON suite on every reader of foreign JSON: its own error, or a value.

Names begin with ``y_`` (valid), ``n_`` (not) or ``i_`` (as the reader likes).
"""

from collections.abc import Callable
from contextlib import suppress

import pytest

from bridge.config.jsonc import JsonInvalid
from bridge.config.jsonc import parse as parse_config
from bridge.errors import FrameInvalid, ProtocolError
from bridge.identity.keyset import read_key_set
from bridge.identity.strict import NotStrict, decode_object
from bridge.oauth.answer import members_of
from bridge.oauth.http import HttpResponse
from bridge.oauth.metadata import NotMetadata, decode_document
from bridge.protocol.frame import decode, decode_upstream, members, raw, text_member
from kit.corpus import json_suite, naughty_strings

SUITE = json_suite()
INVALID = [name for name in SUITE if name.startswith("n_")]
VALID = [name for name in SUITE if name.startswith("y_")]

Reader = Callable[[bytes], object]


def body_of_answer(data: bytes) -> object:
    return members_of(HttpResponse(status=200, headers={}, body=data))


READERS: dict[str, tuple[Reader, type[Exception]]] = {
    "a client's message": (decode, FrameInvalid),
    "an upstream's message": (decode_upstream, FrameInvalid),
    "metadata of a provider": (decode_document, NotMetadata),
    "an answer of a provider": (body_of_answer, ProtocolError),
    "a key set": (read_key_set, ProtocolError),
    "a part of a token": (decode_object, NotStrict),
    "a configuration": (parse_config, JsonInvalid),
}
MESSAGES: dict[str, Reader] = {"client": decode, "upstream": decode_upstream}


def embedded(data: bytes, member: bytes = b"params") -> bytes:
    """A message that is good but for one member."""
    return b'{"jsonrpc":"2.0","id":1,"method":"x","%b":%b}' % (member, data)


@pytest.mark.requirement("B8")
@pytest.mark.parametrize("reader", READERS)
def test_a_reader_takes_or_refuses_and_never_fails_otherwise(reader: str) -> None:
    read, refusal = READERS[reader]
    for data in SUITE.values():
        with suppress(refusal):
            read(data)


@pytest.mark.requirement("B8", "C37")
@pytest.mark.parametrize("side", MESSAGES)
@pytest.mark.parametrize("member", [b"params", b"x"])
def test_what_is_no_json_is_no_message_wherever_it_stands(
    side: str, member: bytes
) -> None:
    for name in INVALID:
        with pytest.raises(FrameInvalid):
            MESSAGES[side](embedded(SUITE[name], member))


@pytest.mark.requirement("B8")
@pytest.mark.parametrize("side", MESSAGES)
def test_what_is_json_may_be_a_body_and_is_looked_into_without_failing(
    side: str,
) -> None:
    for name in VALID:
        frame = decode(embedded(SUITE[name]))
        assert MESSAGES[side](embedded(SUITE[name])) in (frame, (frame,))
        text_member(frame.params, "name")
        with suppress(FrameInvalid):
            members(frame.params)


@pytest.mark.requirement("B8")
@pytest.mark.parametrize("reader", [name for name in READERS if "config" not in name])
def test_no_reader_of_the_network_takes_what_is_no_json(reader: str) -> None:
    read, refusal = READERS[reader]
    taken: list[str] = []
    for name in INVALID:
        try:
            if read(SUITE[name]) is not None:
                taken.append(name)
        except refusal:
            continue
    assert taken == []


@pytest.mark.requirement("B3", "B9")
def test_naughty_strings_come_back_as_they_are() -> None:
    for text in naughty_strings():
        frame = decode(
            b'{"jsonrpc":"2.0","id":%b,"method":%b}' % (raw(text), raw(text))
        )
        assert (frame.id, frame.method) == (text, text)
