import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import FrameInvalid
from bridge.protocol.frame import decode, decode_upstream, encode

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
IDS = st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(codec="utf-8"))
MESSAGES = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0"), "id": IDS, "method": st.text(max_size=10)},
    optional={"params": st.dictionaries(st.text(max_size=5), JSON, max_size=4)},
)


@pytest.mark.requirement("B9")
@given(MESSAGES, st.sampled_from([None, 1, 2]), st.sampled_from(["ascii", "utf-8"]))
def test_a_message_comes_out_as_it_went_in(
    message: dict[str, object], indent: int | None, encoding: str
) -> None:
    data = json.dumps(message, indent=indent, ensure_ascii=encoding == "ascii")
    data = data.encode("utf-8", "surrogatepass")
    out = encode(decode(data))
    assert json.loads(out) == json.loads(data)
    assert b"\n" not in out
    assert b"\r" not in out


@given(MESSAGES)
def test_both_doors_agree_on_good_messages(message: dict[str, object]) -> None:
    data = json.dumps(message).encode()
    assert decode_upstream(data) == (decode(data),)


@pytest.mark.requirement("B8")
@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode()))
def test_junk_is_refused_and_never_crashes(data: bytes) -> None:
    for door in (decode, decode_upstream):
        try:
            door(data)
        except FrameInvalid:
            continue
        assert data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")


@pytest.mark.requirement("B8")
@given(MESSAGES, st.data())
def test_a_damaged_message_is_a_message_or_refused(
    message: dict[str, object], draw: st.DataObject
) -> None:
    data = bytearray(json.dumps(message).encode())
    position = draw.draw(st.integers(0, len(data) - 1))
    data[position] = draw.draw(st.integers(0, 255))
    try:
        frames = decode_upstream(bytes(data))
    except FrameInvalid:
        return
    for frame in frames:
        assert decode(encode(frame)) == frame
