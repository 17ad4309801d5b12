import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import FrameTooLarge
from bridge.protocol.ndjson import LineCutter, LineFramer


def framed(*chunks: bytes, limit: int = 10) -> list[bytes]:
    framer = LineFramer(limit=limit)
    return [line for chunk in chunks for line in framer.feed(chunk)]


def test_lines_end_at_newlines_and_a_partial_line_waits() -> None:
    assert framed(b"a\nb\nc") == [b"a", b"b"]
    assert framed(b"a", b"b\nc\n") == [b"ab", b"c"]


def test_a_carriage_return_before_the_newline_is_taken_off() -> None:
    assert framed(b"a\r\nb\r", b"\n") == [b"a", b"b"]
    assert framed(b"a\rb\n") == [b"a\rb"]


def test_empty_lines_are_skipped() -> None:
    assert framed(b"\n\r\n\na\n\n") == [b"a"]


def test_unicode_line_separators_end_nothing() -> None:
    line = "a\u2028b\x85c".encode()
    assert framed(line + b"\n") == [line]


@pytest.mark.requirement("C2")
def test_a_line_over_the_limit_is_an_error_after_the_good_ones() -> None:
    framer = LineFramer(limit=3)
    lines = framer.feed(b"abc\nabcd\n")
    assert next(lines) == b"abc"
    with pytest.raises(FrameTooLarge, match="longer than 3 bytes"):
        next(lines)


@pytest.mark.requirement("C2")
def test_an_endless_line_is_never_gathered_beyond_the_limit() -> None:
    framer = LineFramer(limit=3)
    assert list(framer.feed(b"ab")) == []
    with pytest.raises(FrameTooLarge):
        list(framer.feed(b"c" * 1000))


def outcome(chunks: list[bytes]) -> list[bytes]:
    lines: list[bytes] = []
    framer = LineFramer(limit=5)
    try:
        for chunk in chunks:
            lines.extend(framer.feed(chunk))
    except FrameTooLarge:
        lines.append(b"too large")
    return lines


@given(st.lists(st.binary(max_size=8) | st.sampled_from([b"\n", b"\r\n", b"abc\n"])))
def test_where_the_bytes_are_cut_changes_nothing(chunks: list[bytes]) -> None:
    whole = b"".join(chunks)
    one_by_one = [bytes([octet]) for octet in whole]
    framer = LineFramer(limit=5)
    lines: list[bytes] = []
    try:
        for line in framer.feed(whole):
            lines.append(line)  # noqa: PERF402 - those before the error count
    except FrameTooLarge:
        lines.append(b"too large")
    assert outcome(one_by_one) == lines


@pytest.mark.requirement("C3")
def test_a_cutter_drops_the_rest_of_a_long_line_and_goes_on() -> None:
    cutter = LineCutter(limit=3)
    assert cutter.feed(b"abcdef", most=9) == ([], 0)
    assert cutter.feed(b"ghi\nxy\r\n\nz", most=9) == ([b"abc", b"xy"], 0)
    assert cutter.rest() == b"z"
    assert cutter.rest() == b""


@pytest.mark.requirement("C3")
def test_of_a_flood_the_first_lines_and_the_last_are_kept() -> None:
    cutter = LineCutter(limit=4)
    assert cutter.feed(b"a", most=2) == ([], 0)
    flood = b"b\nc\n" + b"x\n" * 7 + b"the last\r\nrest"
    assert cutter.feed(flood, most=2) == ([b"ab", b"c", b"the "], 7)
    assert cutter.feed(b"\n", most=2) == ([b"rest"], 0)
    assert cutter.feed(b"1\n2\n3\n", most=2) == ([b"1", b"2", b"3"], 0)
