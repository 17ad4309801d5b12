import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.router.template import UriTemplate


@pytest.mark.parametrize(
    ("template", "uri", "expected"),
    [
        ("demo://{id}", "demo://7", True),
        ("demo://{id}", "demo://", False),
        ("demo://{id}", "demo://7/8", False),
        ("demo://{id}/text", "demo://7/text", True),
        ("demo://{id}/text", "demo://7/blob", False),
        ("demo://{id}/x/{n}", "demo://7/x/9", True),
        ("demo://{id}/x/{n}", "demo://7/y/9", False),
        ("file:///{+path}", "file:///a/b/c", True),
        ("file:///{+path}", "file:///", True),
        ("demo://search{?q}", "demo://search?q=1", True),
        ("demo://search{?q}", "demo://search", True),
        ("demo://fixed", "demo://fixed", True),
        ("demo://fixed", "demo://fixed2", False),
        ("aa{x}aa", "aaa", False),
    ],
)
def test_a_uri_matches_its_template(template: str, uri: str, expected: bool) -> None:  # noqa: FBT001
    assert UriTemplate(template).matches(uri) is expected


@pytest.mark.requirement("C36")
def test_a_hostile_template_takes_no_time() -> None:
    template = UriTemplate("a" + "{x}a" * 2000 + "b")
    assert not template.matches("a" * 20_000 + "c")


@given(st.lists(st.text("abc.-", min_size=1), min_size=1, max_size=5))
def test_an_expansion_of_a_template_matches_it(values: list[str]) -> None:
    template = "/".join(f"{{v{n}}}" for n in range(len(values)))
    assert UriTemplate("x://" + template).matches("x://" + "/".join(values))
