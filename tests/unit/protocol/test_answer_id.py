"""Answers that cannot be read still tell whose they are."""

import pytest

from bridge.errors import FrameInvalid
from bridge.protocol.answer_id import answered_id
from bridge.protocol.frame import decode_upstream

pytestmark = pytest.mark.requirement("C37")

DEEP = b"[" * 100_000


@pytest.mark.parametrize(
    "message",
    [
        b'{"jsonrpc":"2.0","id":7,"result":NaN}',
        b'{"jsonrpc": "2.0", "id": 7, "result": {"x": NaN}}',
        b'{"id":7,"jsonrpc":"2.0","result":{"x":"\xff"}}',
        b'{"id":7,"result":{"a":' + DEEP,
        b'{"jsonrpc":"2.0","id":7,"error":{"code":' + b"9" * 20_000 + b"x}}",
        b'{"result":{"x":NaN},"jsonrpc":"2.0","id":7}',
        b'{"result":{"x":NaN},"id":7,"jsonrpc":"2.0"}\r\n',
        b'{"jsonrpc":"2.0","result":' + DEEP + b"]" * 100_000 + b',"id":7}',
        b'\xef\xbb\xbf{"jsonrpc":"2.0","id":7,"result":{"cut":"he',
    ],
)
def test_the_id_is_found_at_either_end(message: bytes) -> None:
    with pytest.raises(FrameInvalid):
        decode_upstream(message)
    assert answered_id(message) == 7


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x00\x01\x02",
        b"starting...",
        b'{"jsonrpc":"2.0","result":{"id":7,"x":NaN}}',
        b'{"jsonrpc":"2.0","result":{"x":NaN,"jsonrpc":"2.0","id":7},"more":1}',
        b'{"jsonrpc":"2.0","id":7,"method":"ping","params":NaN}',
        b'{"method":"x","params":{"x":NaN},"jsonrpc":"2.0","id":7}',
        b'{"jsonrpc":"2.0","id":"7","result":NaN}',
        b'{"jsonrpc":"2.0","id":-7,"result":NaN}',
        b'{"jsonrpc":"2.0","id":7.5,"result":NaN}',
        b'{"jsonrpc":"2.0","id":' + b"7" * 19 + b',"result":NaN}',
        b'{"jsonrpc":"2.0","id":null,"error":NaN}',
        b'[{"jsonrpc":"2.0","id":7,"result":NaN}]',
        b'{"x":{"jsonrpc":"2.0","id":7,"result":NaN}}',
        b'{"text":"\\"id\\":7","result":NaN}',
        b'{"' + b"x" * 300 + b'":1,"jsonrpc":"2.0","id":7,"result":NaN}',
        b'{"result":"' + b" " * 300 + b'","id":7' + b" " * 300 + b"}",
    ],
)
def test_what_is_not_plain_to_see_is_not_guessed(message: bytes) -> None:
    assert answered_id(message) is None


def test_of_megabytes_only_the_ends_are_looked_at() -> None:
    for filler in (b"[", b" ", b'"id":7,', b",", b'{"id":7,"result":'):
        assert answered_id(b'{"result":' + filler * 1_000_000 + b"x") is None
