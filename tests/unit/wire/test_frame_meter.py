import pytest

from bridge.errors import LinkLost
from bridge.wire.frame_meter import FrameMeter

TEXT, CONTINUED, PING = 0x1, 0x0, 0x9
FINAL, MASKED = 0x80, 0x80


def frame(opcode: int, size: int, *, final: bool = True) -> bytes:
    first = bytes([opcode | (FINAL if final else 0)])
    if size < 126:
        return first + bytes([size]) + bytes(size)
    if size < 2**16:
        return first + b"\x7e" + size.to_bytes(2) + bytes(size)
    return first + b"\x7f" + size.to_bytes(8) + bytes(size)


def meter() -> FrameMeter:
    return FrameMeter(name="feed")


def floods(what: FrameMeter, data: bytes, *, now: float = 0.0) -> str:
    with pytest.raises(LinkLost) as caught:
        what.feed(data, now=now)
    return caught.value.public


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 200_000])
@pytest.mark.parametrize("step", [1, 3, 1 << 20])
def test_messages_of_any_size_leave_room_for_the_next(size: int, step: int) -> None:
    step = max(step, size // 1000)  # a crumb is a part, and these are many messages
    data = frame(TEXT, size) * 5
    what = meter()
    for at in range(0, len(data), step):
        what.feed(data[at : at + step], now=0.0)
    # In step with the frames: the head of a control frame is seen as one.
    assert "pings" in floods(what, frame(PING, 0) * 201)


def test_a_masked_frame_is_walked_past_too() -> None:
    what = meter()
    masked = bytes([TEXT | FINAL, MASKED | 3]) + bytes(4 + 3)
    what.feed(masked * 10, now=0.0)
    assert "pings" in floods(what, frame(PING, 0) * 201)


@pytest.mark.requirement("C26")
def test_empty_parts_without_end_are_stopped() -> None:
    what = meter()
    what.feed(frame(TEXT, 0, final=False), now=0.0)
    what.feed(frame(CONTINUED, 0, final=False) * 65_535, now=0.0)
    assert floods(what, frame(CONTINUED, 0, final=False)) == (
        "'feed' sends a message in too many parts"
    )


@pytest.mark.requirement("C26")
def test_one_frame_in_too_many_crumbs_is_stopped() -> None:
    what = meter()
    what.feed(b"\x81\x7f" + (10**7).to_bytes(8), now=0.0)
    for _ in range(65_535):
        what.feed(b"xx", now=0.0)
    assert "parts" in floods(what, b"xx")


def test_many_messages_of_many_parts_are_no_flood() -> None:
    what = meter()
    parts = frame(TEXT, 1, final=False) + frame(CONTINUED, 1, final=False) * 1000
    for _ in range(100):
        what.feed(parts + frame(PING, 0) + frame(CONTINUED, 1), now=1e9)


@pytest.mark.requirement("C26")
def test_pings_without_end_are_stopped() -> None:
    what = meter()
    what.feed(frame(PING, 4) * 200, now=0.0)
    assert floods(what, frame(PING, 4)) == "'feed' sends pings without end"


def test_a_ping_every_second_goes_on_for_ever() -> None:
    what = meter()
    for second in range(10_000):
        what.feed(frame(PING, 4), now=float(second))
