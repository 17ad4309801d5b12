"""The file of an upstream's pins, and files that cannot be believed."""

import json
from typing import Any

import pytest

from bridge.upstream.canonical import digest
from bridge.upstream.pin_record import TEXTS_KEPT, PinsInvalid, decode, encode
from bridge.upstream.pins import Book, Pin


def pin(key: str, text: str = "{}") -> Pin:
    return Pin(kind="tools", key=key, hash=digest(text), text=text)


BOOK = Book(
    pins={
        ("tools", "a"): pin("a"),
        ("prompts", "a"): Pin(kind="prompts", key="a", hash=digest("x"), text=""),
    },
    opened=True,
)


def spoiled(**changes: Any) -> bytes:
    found = json.loads(encode(BOOK, server="files"))
    return json.dumps({**found, **changes}).encode()


def test_a_book_is_read_as_it_was_written() -> None:
    assert decode(encode(BOOK, server="files"), server="files") == BOOK
    empty = Book(opened=True)
    assert decode(encode(empty, server="files"), server="files") == empty


def test_a_person_can_read_the_file() -> None:
    found = json.loads(encode(BOOK, server="files"))
    assert found["version"] == 1
    assert found["server"] == "files"
    assert found["pins"][0] == {
        "kind": "tools",
        "key": "a",
        "hash": digest("{}"),
        "text": "{}",
    }
    assert "text" not in found["pins"][1]


def test_texts_are_left_out_where_all_of_them_are_too_long() -> None:
    text = "x" * (TEXTS_KEPT // 2)
    pins = [pin("a", text), pin("b", text + "y"), pin("c", "z")]
    book = Book(pins={each.name: each for each in pins}, opened=True)
    found = decode(encode(book, server="s"), server="s")
    assert [len(each.text) for each in found.pins.values()] == [len(text), 0, 1]
    assert [each.hash for each in found.pins.values()] == [each.hash for each in pins]


def test_a_text_that_is_not_that_of_its_hash_is_not_shown() -> None:
    good = {"kind": "tools", "key": "a", "hash": digest("{}")}
    found = decode(spoiled(pins=[{**good, "text": '{"x":1}'}]), server="files")
    assert found.pins["tools", "a"].text == ""


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is damaged"),
        (b"\xff", "it is damaged"),
        (b"[" * 5000, "it is damaged"),
        (encode(BOOK, server="files")[:-9], "it is damaged"),
        (spoiled(version=2), "it is of version 2, not 1"),
        (spoiled(version="1"), "it is damaged"),
        (spoiled(server="other"), "it belongs to another server"),
        (
            spoiled(pins=[{"kind": "resources", "key": "a", "hash": "0" * 64}]),
            "damaged",
        ),
        (
            spoiled(pins=[{"kind": "tools", "key": "a", "hash": "0" * 63}]),
            "a hash that",
        ),
        (spoiled(pins=[{"kind": "tools", "key": "a", "hash": "0" * 64}] * 2), "twice"),
    ],
)
def test_a_file_that_cannot_be_believed_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(PinsInvalid, match=reason):
        decode(data, server="files")
