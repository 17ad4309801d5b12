"""What a 401 says, however it is written."""

import json
from pathlib import Path

import pytest

from bridge.oauth.challenge import BearerChallenge, Challenge, bearer, parse

CORPUS = json.loads((Path(__file__).parent / "corpus/challenges.json").read_text())
NONE: dict[str, str] = {}
METADATA = "https://mcp.example/.well-known/oauth-protected-resource"


@pytest.mark.requirement("R70")
def test_the_header_of_the_specification_is_read() -> None:
    header = f'Bearer resource_metadata="{METADATA}", scope="files:read files:write"'
    assert bearer(header) == BearerChallenge(
        resource_metadata=METADATA, scope="files:read files:write"
    )


@pytest.mark.requirement("R92")
def test_a_step_up_says_its_error_and_the_scopes_it_needs() -> None:
    header = (
        'Bearer error="insufficient_scope", scope="files:write", '
        'error_description="May not write"'
    )
    assert bearer(header) == BearerChallenge(
        scope="files:write",
        error="insufficient_scope",
        error_description="May not write",
    )


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Negotiate", [("Negotiate", "", NONE)]),
        ("Negotiate, Basic", [("Negotiate", "", NONE), ("Basic", "", NONE)]),
        ("Basic YWJj==", [("Basic", "YWJj==", NONE)]),
        ("Basic YWJj==, Bearer", [("Basic", "YWJj==", NONE), ("Bearer", "", NONE)]),
        (
            'Digest realm="a, Bearer scope=x", qop=auth, Bearer scope="y"',
            [
                ("Digest", "", {"realm": "a, Bearer scope=x", "qop": "auth"}),
                ("Bearer", "", {"scope": "y"}),
            ],
        ),
        ('Bearer REALM="a\\"b\\\\c"', [("Bearer", "", {"realm": 'a"b\\c'})]),
        (
            'Bearer realm = "a" , scope\t=\tb',
            [("Bearer", "", {"realm": "a", "scope": "b"})],
        ),
        ('Bearer realm="", error=x', [("Bearer", "", {"realm": "", "error": "x"})]),
        (", , Bearer ,, realm=a ,", [("Bearer", "", {"realm": "a"})]),
        ("Bearer", [("Bearer", "", NONE)]),
    ],
)
def test_challenges_are_read_as_rfc_9110_writes_them(
    header: str, expected: list[tuple[str, str, dict[str, str]]]
) -> None:
    found = [(c.scheme, c.token68, dict(c.parameters)) for c in parse(header)]
    assert found == expected


@pytest.mark.parametrize(
    ("header", "parameters"),
    [
        (f"Bearer resource_metadata={METADATA}", {"resource_metadata": METADATA}),
        ('Bearer realm="a" scope="b"', {"realm": "a", "scope": "b"}),
        ("Bearer scope=read write, error=x", {"scope": "read", "error": "x"}),
        ("Bearer realm=a, realm=b", {"realm": "a"}),
        ('Bearer realm=a, =b, "c", error=d', {"realm": "a", "error": "d"}),
        ('Bearer realm=a, error="never ends, scope=b', {"realm": "a"}),
    ],
)
def test_sloppy_servers_are_understood_as_far_as_they_make_sense(
    header: str, parameters: dict[str, str]
) -> None:
    assert parse(header) == (Challenge(scheme="Bearer", parameters=parameters),)


def test_an_empty_header_holds_no_challenge() -> None:
    assert parse("") == ()


def test_a_parameter_of_no_challenge_is_left_out() -> None:
    assert parse("scope=a, Bearer error=b")[0].parameters == {"error": "b"}


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_known_in_any_case(scheme: str) -> None:
    assert bearer(f'Basic realm="x", {scheme} scope="a"').scope == "a"


def test_of_two_bearer_challenges_the_one_that_names_its_metadata_counts() -> None:
    header = f'Bearer realm="old", Bearer resource_metadata="{METADATA}"'
    assert bearer(header).resource_metadata == METADATA


@pytest.mark.parametrize("header", ["", "Basic realm=x", "resource_metadata=x", '"'])
def test_no_bearer_challenge_is_an_empty_one(header: str) -> None:
    assert bearer(header) == BearerChallenge()


@pytest.mark.requirement("D6")
@pytest.mark.parametrize("text", ["a\x1b[2Jb", "a\u202eb", "a\x00", "x" * 2049])
def test_what_no_line_can_hold_is_left_out(text: str) -> None:
    header = (
        f'Bearer error="{text}", error_description="{text}", resource_metadata="{text}"'
    )
    assert bearer(header) == BearerChallenge()


def test_only_words_that_are_scopes_are_scopes() -> None:
    assert bearer('Bearer scope="  a\tb\\\\c  é d\\"e f "').scope == "a f"


def test_a_huge_header_is_cut_and_its_parts_are_counted() -> None:
    assert len(parse("Bearer, " * 1000)) == 16
    many = ", ".join(f"p{n}=v" for n in range(100))
    assert len(parse(f"Bearer {many}")[0].parameters) == 32
    assert bearer("x" * 8192 + ", Bearer scope=a").scope == ""


@pytest.mark.parametrize("header", CORPUS)
def test_no_header_of_the_corpus_breaks_the_reader(header: str) -> None:
    said = bearer(header)
    assert said.scope.split() == said.scope.split(" ") or said.scope == ""
    assert said.resource_metadata.isprintable()
