"""Which `x-mcp-header` marks are good, and what is said of the others."""

import pytest
from msgspec import Raw

from bridge.protocol.header_annotation import objection

pytestmark = pytest.mark.requirement("C38")


def of(properties: str) -> Raw:
    """A schema of these properties; ``@`` stands for a marked text."""
    marked = properties.replace("@", '"type":"string","x-mcp-header"')
    return Raw(b'{"type":"object","properties":{%b}}' % marked.encode())


@pytest.mark.parametrize(
    "schema",
    [
        Raw(b"{}"),
        Raw(b'{"description":"about x-mcp-header"}'),
        of('"a":{@:"Region"}'),
        of('"a":{@:"Region"},"b":{"type":"integer","x-mcp-header":"Zone"}'),
        of('"a":{"type":"boolean","x-mcp-header":"!#$%&*+.^_`|~09aZ-"}'),
        of('"a":{"type":"object","properties":{"b":{@:"Deep"}}}'),
        of('"x-mcp-header":{"type":"number"}'),
        of('"a":{"anyOf":[{},7],@:"Region"}'),
        of('"a":{"default":{"x-mcp-header":7},"enum":[{"x-mcp-header":7}]}'),
        Raw(b'["x-mcp-header"]'),
    ],
)
def test_good_marks_and_mere_words_are_let_through(schema: Raw) -> None:
    assert objection(schema) == ""


def test_no_schema_has_no_marks() -> None:
    assert objection(None) == ""


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (of('"a":{@:""}'), "'a' is no header name"),
        (of('"a":{@:"two words"}'), "'a' is no header name"),
        (of('"a":{@:"a\\r\\nb"}'), "'a' is no header name"),
        (of('"a":{@:"caf\\u00e9"}'), "'a' is no header name"),
        (of('"a":{@:"' + "x" * 257 + '"}'), "'a' is no header name"),
        (of('"a":{@:7}'), "'a' is no header name"),
        (of('"a":{"type":"number","x-mcp-header":"A"}'), "no text, integer or boolean"),
        (of('"a":{"x-mcp-header":"A"}'), "no text, integer or boolean"),
        (of('"a":{"type":["string"],"x-mcp-header":"A"}'), "no text, integer or"),
        (of('"a":{@:"A"},"b":{@:"a"}'), "names 'a' twice"),
        (of('"a":{"items":{@:"A"}}'), "where no parameter is"),
        (of('"a":{"anyOf":[{@:"A"}]}'), "where no parameter is"),
        (of('"a":{"$defs":{"x":{@:"A"}}}'), "where no parameter is"),
        (of('"a":{"not":{"properties":{"b":{@:"A"}}}}'), "where no parameter"),
        (Raw(b'{"x-mcp-header":"A","type":"string"}'), "where no parameter is"),
        (of('"a":{@:"A","n":' + "9" * 5000 + "}"), "cannot be read"),
    ],
)
def test_a_bad_mark_is_named(schema: Raw, reason: str) -> None:
    assert reason in objection(schema)


def test_a_long_name_is_not_repeated_in_whole() -> None:
    assert len(objection(of('"' + "x" * 9000 + '":{@:""}'))) < 150


@pytest.mark.parametrize("letter", ["x", "-", "p"])
def test_a_mark_in_other_spelling_is_a_mark(letter: str) -> None:
    escape = f"\\u{ord(letter):04X}"
    schema = bytes(of('"a":{"type":"string","x-mcp-header":"no name"}'))
    other = schema.replace(
        b"x-mcp-header", b"x-mcp-header".replace(letter.encode(), escape.encode())
    )
    assert objection(Raw(other)) == "x-mcp-header of 'a' is no header name"
