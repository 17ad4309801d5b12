"""Large blocks go back to the system, where the C library can be told so."""

import ctypes
import sys

import pytest

from bridge.cli.allocator import give_back_large_blocks


@pytest.mark.requirement("P4")
def test_glibc_takes_the_setting() -> None:
    glibc = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "mallopt")
    assert give_back_large_blocks() is glibc


def library_without_it(_name: None) -> object:
    return object()


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", library_without_it)
    assert give_back_large_blocks() is False
