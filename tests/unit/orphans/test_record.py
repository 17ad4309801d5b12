"""What a record says, and what a kill may have left of it."""

import pytest

from bridge.orphans.record import Leader, Record, decode, encode

BOOT = "0f6a"
TWO = Record(BOOT, (Leader(41, 700), Leader(42, 701)))


@pytest.mark.parametrize("record", [TWO, Record(BOOT), Record("")])
def test_what_is_written_is_read(record: Record) -> None:
    assert decode(encode(record)) == record


@pytest.mark.parametrize(
    ("data", "record"),
    [
        (b"", Record("")),
        (b"0f6a", Record(BOOT)),
        (b"0f6a\n41 700\n4", Record(BOOT, (Leader(41, 700),))),
        (b"0f6a\n41 700\n42 ", Record(BOOT, (Leader(41, 700),))),
        # The rest of a longer record: a claim that no process will answer to.
        (b"0f6a\n41 700\n01\n", Record(BOOT, (Leader(41, 700),))),
        (b"0f6a\n0 1\n1 1\n-5 3\n+6 3\n 7 3\n", Record(BOOT)),
        (b"0f6a\n41 7x\n41 7 8\n\xb2 7\n41\n", Record(BOOT)),
        (b"0f6a\n" + b"9" * 5000 + b" 1\n", Record(BOOT)),
        (b"\xff\xfe\n", Record("\ufffd\ufffd")),
    ],
)
def test_lines_that_name_no_process_are_left_out(data: bytes, record: Record) -> None:
    assert decode(data) == record
