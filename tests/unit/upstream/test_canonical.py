"""When two definitions are one, however they are written."""

import pytest
from msgspec import Raw

from bridge.contract.catalog import Entry
from bridge.protocol.frame import members
from bridge.upstream.canonical import canonical, digest


def entry(text: str) -> Entry:
    return Entry(key="x", members=members(Raw(text.encode())))


def hash_of(text: str) -> str:
    return digest(canonical(entry(text)))


@pytest.mark.requirement("C35")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a":1,"b":2}', '{"b":2,"a":1}'),
        (
            '{"s":{"a":[1,{"x":1,"y":2}],"b":null}}',
            '{"s":{"b":null,"a":[1,{"y":2,"x":1}]}}',
        ),
        ('{"a":"caf\\u00e9"}', '{"a":"café"}'),
        ('{"a":"\\/"}', '{"a":"/"}'),
        ('{"a":{ "b" : [ 1 ] }}', '{"a":{"b":[1]}}'),
        ('{"a":100.0}', '{"a":1e2}'),
    ],
)
def test_what_every_reader_reads_alike_is_one_definition(one: str, other: str) -> None:
    assert canonical(entry(one)) == canonical(entry(other))


@pytest.mark.requirement("C35")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a":"1"}', '{"a":1}'),
        ('{"a":1}', '{"a":1.0}'),
        ('{"a":[1,2]}', '{"a":[2,1]}'),
        ('{"a":null}', "{}"),
        ('{"a":""}', '{"a":null}'),
        ('{"a":{"d":"good"}}', '{"a":{"d":"bad","d":"good"}}'),
        ('{"a":{"d":"bad","d":"good"}}', '{"a":{"d":"worse","d":"good"}}'),
        ('{"a":{"d":"good","d":"bad"}}', '{"a":{"d":"bad","d":"good"}}'),
        ('{"a":"x"}', '{"a":"x\\u200b"}'),
        (f'{{"a":{"9" * 5000}}}', f'{{"a":{"9" * 4999}8}}'),
        ('{"a":"bytes {}"}', '{"a":"{}"}'),
    ],
)
def test_whatever_a_reader_may_read_differently_is_another_one(
    one: str, other: str
) -> None:
    assert hash_of(one) != hash_of(other)


def test_where_readers_differ_every_byte_counts() -> None:
    doubled = '{"a":{"d":1,"d":2}}'
    assert canonical(entry(doubled)) == "bytes " + doubled
    assert canonical(entry('{"n":' + "1" * 5000 + "}")).startswith("bytes ")


def test_a_text_that_looks_like_the_bytes_of_another_is_not_it() -> None:
    texts = [
        canonical(entry('{"d":"bytes "}')),
        canonical(entry('{"d":{"x":1,"x":1}}')),
    ]
    assert texts[0].startswith("{")
    assert not texts[1].startswith("{")


def test_a_hash_is_the_sha_256_of_the_text() -> None:
    empty = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert digest("{}") == empty == hash_of("{}")
    assert len(digest("\ud800")) == 64  # a key a client made of half a character
