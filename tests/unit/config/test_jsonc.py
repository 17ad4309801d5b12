"""JSON with comments: what is read, what is refused, and where the fault is."""

import json

import pytest

from bridge.config.jsonc import JsonInvalid, parse

# A small selection after the public JSON parsing suite: what every reader must take
# (y_), and what it must refuse (n_), but for the comments and commas read here.
MUST_READ = [
    b"[[]   ]", b'[""]', b"[]", b'["a"]', b"[false]", b'[null, 1, "1", {}]',
    b"[null]", b"[1\n]", b" [1]", b"[1,null,null,null,2]", b"[2] ", b"[123e65]",
    b"[0e+1]", b"[0e1]", b"[ 4]", b"[-0.000000000000000000000000000000000001]",
    b"[20e1]", b"[-0]", b"[-123]", b"[-1]", b"[1E22]", b"[1E-2]", b"[1E+2]",
    b"[123e45]", b"[123.456e78]", b"[1e-2]", b"[1e+2]", b"[123]", b"[123.456789]",
    b'{"asd":"sdf", "dfg":"fgh"}', b'{"asd":"sdf"}', b"{}", b'{"":0}',
    b'{"foo\\u0000bar": 42}', b'{"a":[]}', b'{\n"a": "b"\n}',
    b'["\\u0060\\u012a\\u12AB"]', b'["\\uD801\\udc37"]',
    b'["\\"\\\\\\/\\b\\f\\n\\r\\t"]',
    b'["\\\\u0000"]', b'["\\""]', b'["a/*b*/c/*d//e"]', b'["\\\\a"]', b'["\\\\n"]',
    b'["\\u0012"]', b'["\\uFFFF"]', b'["asd"]', b'[ "asd"]', b'["\\uDBFF\\uDFFF"]',
    b'["new\\u00A0line"]', '["\U0010ffff"]'.encode(), '["\uffff"]'.encode(),
    b'["\\u0000"]', b'["\\u002c"]', '["\u03c0"]'.encode(), b'["asd "]', b'" "',
    '["\u2028"]'.encode(), '["\u2029"]'.encode(), b'["a\x7fa"]', b'"\\u0061"',
    b"false", b"42", b"-0.1", b"null", b'"asd"', b"true", b'""', b'["a"]\n', b" [] ",
]  # fmt: skip
MUST_REFUSE = [
    b"[1 true]", b"[a\xe5]", b'["": 1]', b'[""],', b"[,1]", b"[1,,2]", b'["x",,]',
    b'["x"]]', b'["",', b'["x"', b"[x", b"[3[4]]", b"[\xff]", b"[1:2]", b"[,]", b"[-]",
    b'[   , ""]', b'["a",\n4\n,1,,', b"[1,\n1\n,1", b"[*]", b'[""', b"[fals]",
    b"[nul]", b"[tru]", b"[++1234]", b"[+1]", b"[+Inf]", b"[-01]", b"[-1.0.]",
    b"[-2.]", b"[-NaN]", b"[.-1]", b"[.2e-3]", b"[0.1.2]", b"[0.3e+]", b"[0.3e]",
    b"[0.e1]", b"[0E+]", b"[0E]", b"[1.0e+]", b"[1.0e]", b"[1 000.0]", b"[1eE2]",
    b"[2.e+3]", b"[9.e+]", b"[Inf]", b"[NaN]", "[\uff11]".encode(), b"[1+2]",
    b"[0x1]", b"[0x42]", b"[Infinity]", b"[0e+-1]", b"[-123.123foo]", b"[-Infinity]",
    b"[-foo]", b"[- 1]", b"[-012]", b"[-.123]", b"[1.]", b"[.123]", b"[1.2a-3]",
    b"[1.8011670033376514H-308]", b"[012]", b'["x", truth]', b'{"x", null}',
    b'{"x"::"b"}', b'{"a":"a" 123}', b"{key: 'value'}", b'{"a" b}', b'{:"b"}',
    b'{"a" "b"}', b'{"a":', b'{"a"', b"{1:1}", b"{9999E9999:1}", b"{null:null}",
    b"{'a':0}", b'{"a":"b",,"c":"d"}', b'{a: "b"}', b'{"a":"a', b'{"a": true} "x"',
    b'["\\uD800\\"]', b'["\\uD800\\u"]', b'["\\x00"]', b'["\\\\\\"]', b'["\\a"]',
    b'["\\uqqqq"]', b'["\\"]', b'["\\u00A"]', b'"\\u', b'[\\u0020"asd"]', b"[\\n]",
    b'"', b"['single quote']", b"abc", b'["\\', b'["a\x00a"]', b'["new\nline"]',
    b'["\t"]', b'"\\UA66D"', b'""x', b"<.>", b"[<null>]", b"[1]x", b"[1]]", b"]",
    b"aa", b"1]", b"{]", b"", b"[", b"[True]", b'{"x": true,', b'{"asd":"asd"',
    "\u00e5".encode(), b"[\x0c]", b"\xef\xbb", b"\xc3\xa5", b" ", b"/", b"[/]",
    b'["\\uD800"]', b'["\\uDFAA"]', b'{"\\uDFAA":0}', b"[1e400]", b"/*", b"/*/",
]  # fmt: skip


@pytest.mark.requirement("R2")
@pytest.mark.parametrize("text", MUST_READ)
def test_what_is_json_is_read_as_json(text: bytes) -> None:
    assert parse(text).value == json.loads(text)


@pytest.mark.requirement("R2")
@pytest.mark.parametrize("text", MUST_REFUSE)
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(JsonInvalid):
        parse(text)


@pytest.mark.requirement("R2")
@pytest.mark.parametrize(
    "text",
    [
        b'{"a": 1, // to the end of the line\n "b": [2, /* and\n here */ 3,],}',
        b'/**/{"a"/* * / */:1,"b"//\r:[2,3]}// at the end',
        b'\xef\xbb\xbf{"a": 1, "b": [2, 3]}',
        b'{"a":1,"b":[2,3]}/***/',
    ],
)
def test_comments_trailing_commas_and_a_byte_order_mark_are_read(text: bytes) -> None:
    assert parse(text).value == {"a": 1, "b": [2, 3]}


@pytest.mark.requirement("R2")
def test_what_looks_like_a_comment_in_a_string_stays() -> None:
    text = b'{"url": "https://h/*x*/", "quote": "\\"// no"}'
    assert parse(text).value == {"url": "https://h/*x*/", "quote": '"// no'}


@pytest.mark.parametrize(
    ("text", "line", "column", "reason"),
    [
        (b'{\n  "a": tru\n}', 2, 8, 'expected a value, found "t"'),
        (b'{"a": 1\n "b": 2}', 2, 2, "expected ',' or '}'"),
        (b'{"a" 1}', 1, 6, "expected ':' after the key"),
        (b"{\r\n'a': 1}", 2, 1, "expected a key in double quotes"),
        (b'{"a": "x\n"}', 1, 7, "a string is not closed"),
        (b'{"a": "\\q"}', 1, 7, "an escape that JSON does not have"),
        (b'{"a": "\\ud800"}', 1, 7, "half of a surrogate pair"),
        (b'{"a": 1} x', 1, 10, "expected the end of the file"),
        (b"[1, 2", 1, 6, "(inside what opens in line 1, column 1)"),
        (b"[1] /* never", 1, 5, "a comment is not closed"),
        (b"[\n\n\xff]", 3, 1, "not UTF-8 text"),
        (b"", 1, 1, "found the end of the file"),
        (b"[" + b"1" * 401 + b"]", 1, 2, "too many digits"),
        (b"[1e999]", 1, 2, "too large to hold"),
        (b"[" * 100, 1, 66, "nested more than 64 levels deep"),
    ],
)
def test_a_fault_names_its_line_and_column(
    text: bytes, line: int, column: int, reason: str
) -> None:
    with pytest.raises(JsonInvalid) as caught:
        parse(text)
    assert caught.value.at == (line, column)
    assert reason in caught.value.reason


def test_keys_and_elements_know_where_they_stand() -> None:
    document = parse(b'{\n "a": [1,\n  {"b": 2}]\n}')
    assert document.positions[("a",)] == (2, 2)
    assert document.positions[("a", 0)] == (2, 8)
    assert document.positions[("a", 1, "b")] == (3, 4)


def test_a_repeated_key_is_reported_and_the_last_one_counts() -> None:
    document = parse(b'{"a": 1, "b": {"c": 1, "c": 2}, "a": 3}')
    assert document.value == {"a": 3, "b": {"c": 2}}
    assert document.repeated == (("b", "c"), ("a",))
