import itertools
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import FrameTooLarge
from bridge.protocol.sse import EventDecoder, ServerEvent, comment, encode_event


def decoded(*chunks: bytes, limit: int = 1000) -> list[ServerEvent]:
    decoder = EventDecoder(limit=limit)
    return [event for chunk in chunks for event in decoder.feed(chunk)]


def test_an_event_has_its_type_its_data_and_its_id() -> None:
    stream = b"event: endpoint\nid: 7\ndata: /messages\n\n"
    assert decoded(stream) == [ServerEvent(b"/messages", "endpoint", "7")]


def test_the_type_defaults_to_message_anew_for_each_event() -> None:
    stream = b"event: a\ndata: 1\n\ndata: 2\n\nevent:\ndata: 3\n\n"
    assert [event.event for event in decoded(stream)] == ["a", "message", "message"]


@pytest.mark.requirement("C24")
@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_each_line_end_is_understood(end: bytes) -> None:
    stream = end.join([b"data: a", b"data: b", b"", b"data: c", b"", b""])
    assert [event.data for event in decoded(stream)] == [b"a\nb", b"c"]


@pytest.mark.requirement("C24")
def test_mixed_line_ends_are_understood() -> None:
    assert [e.data for e in decoded(b"data: a\r\ndata: b\rdata: c\n\r\n")] == [
        b"a\nb\nc"
    ]


def test_a_line_separator_inside_data_ends_nothing() -> None:
    data = '"a\u2028b\u2029c\x85"'.encode()
    assert decoded(b"data: " + data + b"\n\n") == [ServerEvent(data)]


def test_one_leading_byte_order_mark_is_stripped_wherever_it_was_cut() -> None:
    bom = b"\xef\xbb\xbf"
    assert [e.data for e in decoded(bom + b"data: a\n\n")] == [b"a"]
    assert [e.data for e in decoded(bom[:1], bom[1:] + b"data: a\n\n")] == [b"a"]
    assert decoded(bom + bom + b"data: a\n\n") == []
    assert decoded(b"\n" + bom + b"data: a\n\n") == []


def test_only_one_blank_after_the_colon_is_taken_off() -> None:
    stream = b"data:a\ndata:  b\ndata\ndata:\n\n"
    assert decoded(stream) == [ServerEvent(b"a\n b\n\n")]


def test_comments_and_unknown_fields_mean_nothing() -> None:
    assert decoded(b": hi\nfoo: bar\n\ndata: a\n: mid\n\n") == [ServerEvent(b"a")]


def test_an_event_without_data_is_none_but_its_id_counts() -> None:
    decoder = EventDecoder(limit=100)
    assert list(decoder.feed(b"id: 5\nevent: x\n\n")) == []
    assert decoder.last_event_id == "5"
    assert list(decoder.feed(b"data: a\n\n")) == [ServerEvent(b"a", "message", "5")]


def test_a_priming_event_with_empty_data_is_an_event() -> None:
    assert decoded(b"id: 1\ndata:\n\n") == [ServerEvent(b"", "message", "1")]


@pytest.mark.requirement("C24")
def test_ids_with_a_nul_and_overlong_ids_are_ignored() -> None:
    decoder = EventDecoder(limit=5000)
    list(decoder.feed(b"id: 1\nid: a\0b\nid: " + b"x" * 1025 + b"\n"))
    assert decoder.last_event_id == "1"
    list(decoder.feed(b"id\n"))
    assert decoder.last_event_id == ""


@pytest.mark.requirement("C24")
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"500", 0.5),
        (b"0", 0.1),
        (b"999999999", 60.0),
        (b"9" * 5000, 60.0),
        (b"-1", None),
        (b"1.5", None),
        (b"", None),
        ("٣".encode(), None),
    ],
)
def test_the_retry_time_is_clamped_and_junk_ignored(
    value: bytes, seconds: float | None
) -> None:
    decoder = EventDecoder(limit=6000)
    list(decoder.feed(b"retry: " + value + b"\n"))
    assert decoder.retry == seconds


@pytest.mark.requirement("C24")
def test_bad_utf8_in_names_is_replaced_and_data_is_left_alone() -> None:
    assert decoded(b"event: \xff\nid: \xfe\ndata: \xff\n\n") == [
        ServerEvent(b"\xff", "\ufffd", "\ufffd")
    ]


@pytest.mark.requirement("C24")
def test_an_endless_line_is_an_error() -> None:
    with pytest.raises(FrameTooLarge, match="line"):
        decoded(b"x" * 60, b"y" * 60, limit=100)


@pytest.mark.requirement("C24")
def test_an_endless_event_is_an_error_after_the_good_ones() -> None:
    decoder = EventDecoder(limit=20)
    events = decoder.feed(b"data: a\n\n" + b"data: 12345678\n" * 5)
    assert next(events).data == b"a"
    with pytest.raises(FrameTooLarge, match="event"):
        next(events)


@pytest.mark.requirement("C24")
@pytest.mark.parametrize("line", [b"data\n", b"data: ab\n"])
def test_an_endless_event_of_tiny_lines_costs_no_more_than_its_bytes(
    line: bytes,
) -> None:
    limit = 200_000
    decoder = EventDecoder(limit=limit)
    tracemalloc.start()
    chunks = (decoder.feed(line * 1000) for _ in range(limit))
    with pytest.raises(FrameTooLarge, match="event"):
        list(itertools.chain.from_iterable(chunks))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * limit


def test_an_event_of_exactly_the_limit_passes() -> None:
    data = b"x" * 94
    assert decoded(b"data: " + data + b"\n\n", limit=100) == [ServerEvent(data)]


_PIECES = st.sampled_from(
    [
        b"data",
        b"event",
        b"id",
        b"retry",
        b":",
        b" ",
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b"\xef\xbb\xbf",
        b"a",
        b"1",
        b"\x00",
        b"data: x\n\n",
    ]
)


@given(st.lists(_PIECES, max_size=40), st.data())
def test_where_the_bytes_are_cut_changes_nothing(
    pieces: list[bytes], data: st.DataObject
) -> None:
    whole = b"".join(pieces)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(whole)), max_size=10)))
    edges = [0, *cuts, len(whole)]
    chunks = [whole[a:b] for a, b in itertools.pairwise(edges)]
    assert decoded(*chunks) == decoded(whole)
    assert decoded(*(bytes([octet]) for octet in whole)) == decoded(whole)


def test_events_are_written_on_one_line_each() -> None:
    assert encode_event(b"{}") == b"data: {}\n\n"
    assert encode_event(b"x", event="message", id="3") == (
        b"event: message\nid: 3\ndata: x\n\n"
    )
    assert comment() == b": \n\n"
    assert comment("a\r\nb") == b": a  b\n\n"


@given(st.binary())
def test_what_is_encoded_is_decoded_again(data: bytes) -> None:
    (event,) = decoded(encode_event(data, event="message"))
    assert event.data == data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
