import re

import pytest

from bridge.router.namespace import MAX_NAME, NameConflict, exposed_name, winner

LEGAL = re.compile(r"[A-Za-z0-9_.-]{1,128}\Z")


@pytest.mark.requirement("R118", "R119")
def test_a_namespace_stands_before_the_separator() -> None:
    assert exposed_name("github", "__", "search") == "github__search"


def test_an_empty_namespace_keeps_the_name_unchanged() -> None:
    assert exposed_name("", "__", "search") == "search"


@pytest.mark.requirement("C33")
@pytest.mark.parametrize("name", ["a b", "naïve", "x" * 200, "", "a\x00b", "a\nb"])
def test_a_name_clients_refuse_is_made_legal_and_stays_distinct(name: str) -> None:
    made = exposed_name("ns", "__", name + "!")
    assert LEGAL.match(made)
    assert len(made) <= MAX_NAME
    assert made != exposed_name("ns", "__", name + "?")


def test_a_legal_form_is_stable() -> None:
    assert exposed_name("ns", "__", "a b") == exposed_name("ns", "__", "a b")


def _win(policy: str) -> tuple[str, int]:
    return winner(
        "search",
        [("late", 5), ("urgent", 1), ("also", 1)],
        policy=policy,
        priority=lambda c: c[1],
        owner=lambda c: c[0],
    )


@pytest.mark.requirement("R121")
@pytest.mark.parametrize(
    ("policy", "owner"),
    [("namespace", "late"), ("first", "late"), ("priority", "urgent")],
)
def test_the_policy_decides_who_owns_a_name(policy: str, owner: str) -> None:
    assert _win(policy)[0] == owner


@pytest.mark.requirement("R121")
def test_the_policy_error_names_the_name_and_all_its_owners() -> None:
    with pytest.raises(NameConflict, match="'search' is offered by late, urgent, also"):
        _win("error")
