"""Texts of servers, made fit for people."""

from urllib.parse import quote, quote_plus

import pytest

from bridge.oauth.answer import Question, printable
from bridge.oauth.http import HttpRequest, Step

SECRET = "p\u00e4ss w/rd+1"


def question(*secrets: str) -> Question:
    request = HttpRequest(
        step=Step.TOKEN, url="https://id.example/token?key=1", method="POST"
    )
    return Question(request=request, secrets=secrets)


@pytest.mark.requirement("R103")
@pytest.mark.parametrize(
    "spelling", [SECRET, quote(SECRET, safe=""), quote_plus(SECRET)]
)
def test_a_secret_is_masked_in_every_spelling_it_was_sent_in(spelling: str) -> None:
    shown = question(SECRET).shown(f"bad value {spelling}!")
    assert shown == "bad value [redacted]!"


def test_a_secret_that_begins_with_another_one_is_masked_whole() -> None:
    assert question("abc", "", "abcdef").shown("abcdef abc") == "[redacted] [redacted]"


def test_a_secret_is_masked_before_the_text_is_cut() -> None:
    shown = question("s3cret-s3cret").shown("x" * 295 + "s3cret-s3cret")
    assert "s3cr" not in shown


def test_what_was_asked_is_shown_without_query_and_secrets() -> None:
    asked = question("s3cret")
    assert asked.asked == "POST https://id.example/token"
    assert repr(asked) == "Question(HttpRequest(POST token))"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain \u00e9", "plain \u00e9"),
        ("a\r\nb\x00", "a\\r\\nb\\x00"),
        ("\u202e", "\\u202e"),
        ("\ud800", "\\ud800"),
        ("a" * 300, "a" * 300),
        ("a" * 301, "a" * 300 + "..."),
        ("\n" * 300, "\\n" * 150 + "..."),
    ],
)
def test_a_foreign_text_is_one_printable_bounded_line(text: str, shown: str) -> None:
    assert printable(text) == shown
