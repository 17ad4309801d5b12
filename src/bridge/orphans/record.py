"""The text of a record: which boot of the machine, and the children since."""

from collections.abc import Iterable

import msgspec


class Leader(msgspec.Struct, frozen=True):
    """A child that leads a process group: its number, and when it began.

    ``began`` is in clock ticks since the machine was started. Together they name one
    process only, for as long as the machine runs.
    """

    pid: int
    began: int


class Record(msgspec.Struct, frozen=True):
    """``boot`` names the run of the machine the numbers belong to."""

    boot: str
    leaders: tuple[Leader, ...] = ()


def encode(record: Record) -> bytes:
    lines = [record.boot, *(f"{each.pid} {each.began}" for each in record.leaders)]
    return "".join(f"{line}\n" for line in lines).encode()


def decode(data: bytes) -> Record:
    """What a record says; lines that are none are left out.

    A kill may leave a record half written: what it then says is still only a claim,
    which is held against the process itself before anything is ended.
    """
    first, *others = data.decode("utf-8", "replace").split("\n")
    return Record(first, tuple(_leaders(others)))


def _leaders(lines: Iterable[str]) -> Iterable[Leader]:
    for line in lines:
        pid, _, began = line.partition(" ")
        # 0 and 1 as a group would be our own, and everybody's.
        if _is_number(pid) and _is_number(began) and int(pid) > 1:
            yield Leader(int(pid), int(began))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20  # noqa: PLR2004 - 64 bits
