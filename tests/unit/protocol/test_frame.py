import tracemalloc

import msgspec
import pytest
from msgspec import UNSET, Raw

from bridge.errors import FrameInvalid
from bridge.protocol import codes, frame
from bridge.protocol.frame import Frame, decode, decode_upstream, encode


def test_the_kinds_are_told_by_method_and_id() -> None:
    request = decode(b'{"jsonrpc":"2.0","id":1,"method":"ping"}')
    notice = decode(b'{"jsonrpc":"2.0","method":"note"}')
    result = decode(b'{"jsonrpc":"2.0","id":"a","result":{}}')
    kinds = [
        (f.is_request, f.is_notification, f.is_response)
        for f in (request, notice, result)
    ]
    assert kinds == [(True, False, False), (False, True, False), (False, False, True)]


def test_an_error_without_an_id_is_a_frame_of_no_kind() -> None:
    nameless = decode(b'{"jsonrpc":"2.0","id":null,"error":{"code":1}}')
    assert nameless.id is UNSET
    assert not (nameless.is_request)
    assert not (nameless.is_notification)
    assert not (nameless.is_response)


@pytest.mark.requirement("B8")
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"jsonrpc":"2.0","method":"a"} trailing',
        b'{"jsonrpc":"2.0","method":"a","params":NaN}',
        b'{"jsonrpc":"2.0","method":"a","params":{"x":"\xff"}}',
        '{"jsonrpc":"2.0","method":"a"}'.encode("utf-16"),
        b'{"jsonrpc":"2.0","method":"a\\ud800"}',
        b'{"jsonrpc":"2.0","method":"a","params":{"x":"\\uDC00"}}',
        b'{"jsonrpc":"2.0","method":"a","params":\n"\xff"}',
        b'{"jsonrpc":"2.0",\n"method":}',
        b'{"jsonrpc":"2.0","method":"a","params":' + b"[" * 100_000,
        b'{"jsonrpc":"2.0","method":"a","params":\n' + b"[" * 100_000,
    ],
)
def test_what_is_not_json_is_a_parse_error(data: bytes) -> None:
    with pytest.raises(FrameInvalid) as caught:
        decode(data)
    assert caught.value.parse


@pytest.mark.requirement("B8", "B9")
@pytest.mark.parametrize(
    "data",
    [
        b"[]",
        b'[{"jsonrpc":"2.0","method":"a"}]',
        b'"text"',
        b"{}",
        b'{"jsonrpc":"1.0","method":"a"}',
        b'{"method":"a"}',
        b'{"jsonrpc":"2.0"}',
        b'{"jsonrpc":"2.0","id":1}',
        b'{"jsonrpc":"2.0","id":null,"method":"a"}',
        b'{"jsonrpc":"2.0","id":true,"method":"a"}',
        b'{"jsonrpc":"2.0","id":1.5,"method":"a"}',
        b'{"jsonrpc":"2.0","id":[1],"method":"a"}',
        b'{"jsonrpc":"2.0","id":{},"method":"a"}',
        b'{"jsonrpc":"2.0","id":1,"method":3}',
        b'{"jsonrpc":"2.0","id":1,"method":"a","result":{}}',
        b'{"jsonrpc":"2.0","id":1,"method":"a","error":{}}',
        b'{"jsonrpc":"2.0","id":1,"result":{},"error":{}}',
        b'{"jsonrpc":"2.0","result":{}}',
        b'{"jsonrpc":"2.0","id":null,"result":{}}',
    ],
)
def test_json_that_is_no_message_is_an_invalid_request(data: bytes) -> None:
    with pytest.raises(FrameInvalid) as caught:
        decode(data)
    assert not caught.value.parse


@pytest.mark.requirement("B9")
@pytest.mark.parametrize("id_", [b"0", b'""', b'"1"', b"1", b"9007199254740993", b"-1"])
def test_ids_keep_their_type_and_value(id_: bytes) -> None:
    data = b'{"jsonrpc":"2.0","id":' + id_ + b',"method":"a"}'
    assert encode(decode(data)) == data


def test_bodies_pass_through_byte_for_byte() -> None:
    body = b'{"z":1,"a":12345678901234567890123,"u":"\\u00e9 \xc3\xa9","x":1.10}'
    data = b'{"jsonrpc":"2.0","id":1,"method":"a","params":' + body + b"}"
    assert encode(decode(data)) == data


def test_raw_newlines_are_folded_so_that_no_body_can_break_a_line() -> None:
    data = b'{"jsonrpc":"2.0",\r\n"method":"a",\n"params":{\r"x":\n"\\n"}}'
    out = encode(decode(data))
    assert b"\n" not in out
    assert b"\r" not in out
    assert frame.members(decode(data).params)["x"] == Raw(b'"\\n"')


def test_an_upstreams_batch_is_split_and_its_byte_order_mark_dropped() -> None:
    data = (
        b'\xef\xbb\xbf [{"jsonrpc":"2.0","method":"a"},{"jsonrpc":"2.0","method":"b"}]'
    )
    assert [f.method for f in decode_upstream(data)] == ["a", "b"]
    assert decode_upstream(b"[]") == ()


@pytest.mark.requirement("C22", "C37")
def test_a_batch_of_junk_costs_no_more_than_its_bytes() -> None:
    data = b"[" + b"1," * 500_000 + b"1]"
    tracemalloc.start()
    with pytest.raises(FrameInvalid, match="not a JSON-RPC message"):
        decode_upstream(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * len(data)


CUT = b'[{"jsonrpc":"2.0","id":1,"result":{}},'


@pytest.mark.parametrize("data", [b"[1", CUT, b"[" * 100_000, b'[{"jsonrpc":"2.0"}]'])
def test_a_broken_batch_is_refused(data: bytes) -> None:
    with pytest.raises(FrameInvalid):
        decode_upstream(data)


@pytest.mark.requirement("C37")
def test_lone_surrogates_of_an_upstream_are_replaced() -> None:
    data = b'{"jsonrpc":"2.0","id":1,"result":{"t":"a\\ud800b\\ud83d\\ude00"}}'
    (got,) = decode_upstream(data)
    assert encode(got) == (
        b'{"jsonrpc":"2.0","id":1,"result":{"t":"a\\ufffdb\\ud83d\\ude00"}}'
    )


def test_an_escaped_backslash_is_not_taken_for_a_surrogate() -> None:
    data = b'{"jsonrpc":"2.0","id":1,"result":{"t":"\\\\ud800"}}'
    assert encode(decode_upstream(data)[0]) == data
    assert encode(decode(data)) == data


@pytest.mark.requirement("C37")
def test_lone_surrogates_of_a_message_in_a_batch_are_replaced() -> None:
    data = b'[{"jsonrpc":"2.0","id":1,"result":{"t":"\\udc00"}}]'
    (got,) = decode_upstream(data)
    assert encode(got).endswith(b'{"t":"\\ufffd"}}')


@pytest.mark.requirement("C37")
@pytest.mark.parametrize(
    "data",
    [
        b'{"jsonrpc":"2.0","id":1,"result":"\\u0041"',
        b'{"a":"\\u0041","b":' + b"[" * 100_000,
        b'{"jsonrpc":"2.0","id":1,"result":{"a":"\\ud800","n":NaN}}',
        b"{",
        b'{"a":"\xff"}',
    ],
)
def test_what_cannot_be_mended_is_refused(data: bytes) -> None:
    with pytest.raises(FrameInvalid) as caught:
        decode_upstream(data)
    assert caught.value.parse


@pytest.mark.requirement("C37")
def test_mending_keeps_big_integers() -> None:
    digits = b"9" * 20_000
    data = b'{"jsonrpc":"2.0","id":1,"result":{"a":"\\ud800","n":' + digits + b"}}"
    (got,) = decode_upstream(data)
    assert digits in encode(got)


def test_an_error_nobody_can_be_told_apart_carries_a_null_id() -> None:
    body = codes.error_body(codes.Code.PARSE_ERROR, "bad")
    assert frame.encode_unattributed(body) == (
        b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"bad"}}'
    )


def test_members_opens_one_level_and_refuses_other_shapes() -> None:
    assert frame.members(UNSET) == {}
    assert frame.members(Raw(b'{"a":{"b":1},"a":2}')) == {"a": Raw(b"2")}
    for body in (b"[]", b"1", b'"x"', b"null"):
        with pytest.raises(FrameInvalid):
            frame.members(Raw(body))


def test_text_is_a_string_or_nothing() -> None:
    assert frame.text(Raw(b'"a\\n"')) == "a\n"
    assert frame.text(None) is None
    assert frame.text(Raw(b"1")) is None
    assert frame.text(Raw(b'"\\ud800"')) is None


def test_frames_of_our_own() -> None:
    assert encode(frame.request("ping", id=1)) == (
        b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
    )
    assert encode(frame.notification("note", {"a": 1})) == (
        b'{"jsonrpc":"2.0","method":"note","params":{"a":1}}'
    )
    assert frame.value(Raw(b'{"a":[1]}')) == {"a": [1]}


def test_error_frames_name_code_message_and_data() -> None:
    plain = codes.error_frame(4, codes.Code.OVERLOADED, "busy")
    assert plain == Frame(id=4, error=Raw(b'{"code":1004,"message":"busy"}'))
    full = codes.error_frame("x", codes.Code.INTERNAL_ERROR, "m", {"upstream": "u"})
    assert isinstance(full.error, Raw)
    assert msgspec.json.decode(full.error)["data"] == {"upstream": "u"}


def test_private_codes_lie_outside_the_reserved_range() -> None:
    private = [code for code in codes.Code if code > 0]
    assert sorted(private) == [1001, 1002, 1003, 1004, 1005]


@pytest.mark.parametrize("text", ["", "naïve", "a\nb\tc", "\U0001f600", '"'])
def test_text_that_is_whole_is_read(text: str) -> None:
    assert frame.text(frame.raw(text)) == text


def test_a_string_member_is_looked_at_without_raising() -> None:
    assert frame.text_member(Raw(b'{"name":"a"}'), "name") == "a"
    assert frame.text_member(Raw(b"{}"), "name") is None
    assert frame.text_member(Raw(b"[]"), "name") is None
