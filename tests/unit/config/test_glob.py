"""Patterns of names: a star, a question mark, and nothing that could run away."""

import pytest

from bridge.config.glob import LONGEST, Globs, fault_of, globs, is_doubtful, is_pattern


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("get_*", "get_issue", True),
        ("get_*", "get_", True),
        ("get_*", "forget_me", False),
        ("*_list", "issue_list", True),
        ("*", "", True),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("GET_*", "get_Issue", True),
        ("STRASSE*", "straße 1", True),
        ("git.*", "git.log", True),
        ("git.*", "gitlog", False),
        ("a[bc]", "ab", False),
        ("a[bc]", "a[bc]", True),
        ("a\nb*", "a\nbc", True),
    ],
)
def test_a_pattern_fits_whole_names(pattern: str, name: str, *, fits: bool) -> None:
    found = Globs([pattern]).first_match(name)
    assert found == (pattern if fits else None)


def test_the_first_pattern_that_fits_any_name_is_told() -> None:
    several = globs(("x*", "b*", "a*"))
    assert several.first_match("alpha", "beta") == "b*"
    assert several.first_match("gamma") is None
    assert globs(()).first_match("anything") is None


def test_a_pattern_made_to_run_away_does_not() -> None:
    hostile = Globs(["*a" * 100 + "b"])
    assert hostile.first_match("a" * 100_000) is None


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        ("get_*", ""),
        ("github.*", ""),
        ("", "empty"),
        ("x" * (LONGEST + 1), "longer"),
        ("^get_", "'^' belongs to regular expressions"),
        ("get_.+", "'+' belongs"),
        ("(a|b)", "'(' belongs"),
        ("a\\d", "'\\' belongs"),
        ("[ab]", "'[' belongs"),
        ("a{2}", "'{' belongs"),
        ("a$", "'$' belongs"),
    ],
)
def test_what_is_no_pattern_is_said(pattern: str, fault: str) -> None:
    assert fault_of(pattern).startswith(fault)
    assert bool(fault_of(pattern)) is bool(fault)


def test_patterns_are_told_from_names() -> None:
    assert [is_pattern(text) for text in ("a*", "a?", "ab")] == [True, True, False]
    assert [is_doubtful(text) for text in ("a.*", "a.b", "a*")] == [True, False, False]
