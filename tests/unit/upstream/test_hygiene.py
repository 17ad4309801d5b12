"""Texts lose what a human cannot see; everything else stays as it was sent."""

import pytest
from msgspec import Raw

from bridge.protocol.frame import members
from bridge.upstream.hygiene import clean, cleaned

pytestmark = pytest.mark.requirement("C35")


def within(entry: str, *, size: int = 65_536) -> tuple[str, bool]:
    """The entry's schema afterwards, and whether anything changed."""
    found = members(Raw(b'{"inputSchema":%b}' % entry.encode()))
    changed = clean(found, size=size)
    return bytes(found["inputSchema"]).decode(), changed


@pytest.mark.parametrize(
    ("text", "clean_text"),
    [
        ("plain\n\ttext", "plain\n\ttext"),
        ("a\u200bb\ufeffc", "abc"),
        ("\u202eevil\u202c", "evil"),
        ("x\U000e0041\U000e007fy", "xy"),
        ("bell\x07 nul\x00 esc\x1b[2J \x9b", "bell nul esc[2J "),
        ("\u2066isolated\u2069", "isolated"),
        (
            "\u0646\u200c\u0645 \U0001f469\u200d\U0001f4bb",
            "\u0646\u200c\u0645 \U0001f469\u200d\U0001f4bb",
        ),
    ],
)
def test_controls_and_invisible_characters_go_and_joiners_stay(
    text: str, clean_text: str
) -> None:
    assert cleaned(text) == clean_text


def test_a_long_text_is_cut() -> None:
    assert cleaned("x" * 300, size=256) == "x" * 255 + "\u2026"
    assert cleaned("x" * 256, size=256) == "x" * 256


@pytest.mark.parametrize(
    "spelling",
    ["\u200b", "\\u200b", "\\u200B", "\\u0000", "\\b", "\\f", "\x7f", "\u009b"],
)
def test_a_description_deep_in_a_schema_is_cleaned_however_it_is_spelled(
    spelling: str,
) -> None:
    good = '{"properties":{"a":{"description":"xy","n":1.00}}}'
    schema, changed = within(good.replace("xy", f"x{spelling}y"))
    assert schema == good
    assert changed


def test_lists_and_titles_are_looked_into() -> None:
    schema, changed = within('{"anyOf":[{"title":"a\\u202eb"},7,[{"title":"c"}]]}')
    assert schema == '{"anyOf":[{"title":"ab"},7,[{"title":"c"}]]}'
    assert changed


@pytest.mark.parametrize(
    "schema",
    [
        '{"properties":{"a\\u200b":{"type":"string"}}}',
        '{"default":{"description":"x\\u200b"},"enum":["\\u200b",{"title":"\\u200b"}]}',
        '{"const":"\\u202e","examples":[{"title":"\\u200b"}]}',
        '{"properties":{"title":{"type":"string","pattern":"\\u200b"}}}',
        '{"description":["\\u200b"],"title":7}',
        '{"big":123456789012345678901234567890,"n":1e2,"d":"\\u0041"}',
        '{ "spaced" : [ "\\u200b" ] }',
        '"\\u200b"',
    ],
)
def test_what_is_no_text_for_people_stays_to_the_byte(schema: str) -> None:
    assert within(schema) == (schema, False)


def test_a_description_too_long_in_a_schema_is_cut() -> None:
    long = "x" * 400
    schema, changed = within(f'{{"description":"{long}"}}', size=300)
    assert schema == f'{{"description":"{long[:299]}\u2026"}}'
    assert changed
    assert within(f'{{"enum":["{long}"]}}', size=300)[1] is False


def test_annotations_and_arguments_of_prompts_are_cleaned() -> None:
    found = members(
        Raw(
            b'{"annotations":{"title":"a\\u200b"},"arguments":[{"name":"n\\u200b",'
            b'"description":"d\\u200b"}],"outputSchema":{"title":"t"},"name":"x\\u200b"}'
        )
    )
    assert clean(found)
    assert found["annotations"] == Raw(b'{"title":"a"}')
    assert b'"description":"d"' in bytes(found["arguments"])
    assert b"n\\u200b" in bytes(found["arguments"])
    assert found["outputSchema"] == Raw(b'{"title":"t"}')
    assert found["name"] == Raw(b'"x\\u200b"')
