from bridge.actor.crash import describe
from bridge.errors import LinkLost


def test_an_error_of_ours_is_shown_with_its_public_sentence() -> None:
    assert describe(LinkLost("the server closed")) == "link.lost: the server closed"


def test_a_foreign_error_shows_its_class_and_never_its_message() -> None:
    assert describe(ValueError("token=s3cret")) == "ValueError"


def test_a_group_names_its_members() -> None:
    inner = ExceptionGroup("s3cret", [KeyError("s3cret")])
    group = ExceptionGroup("s3cret", [inner, LinkLost("gone")])
    shown = "ExceptionGroup(ExceptionGroup(KeyError), link.lost: gone)"
    assert describe(group) == shown


def test_a_huge_group_stays_one_short_line() -> None:
    assert len(describe(ExceptionGroup("many", [ValueError()] * 1000))) == 300
