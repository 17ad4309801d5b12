"""Dialogues that are listened to, or only begun."""

from collections.abc import Generator

import pytest

from bridge.cli.doctor.trail import Asked, recorded, unasked
from bridge.errors import ProviderUnavailable
from bridge.oauth.http import (
    HttpFailure,
    HttpReply,
    HttpRequest,
    HttpResponse,
    Step,
    Steps,
)

IDP = "https://id.example"


def dialogue() -> Steps[str]:
    for step in (Step.RESOURCE_METADATA, Step.SERVER_METADATA):
        reply = yield HttpRequest(step=step, url=f"{IDP}/{step.name}?secret=1")
        if isinstance(reply, HttpFailure):
            raise ProviderUnavailable("no")
    return "found"


def drive(steps: Steps[str], *replies: HttpReply) -> str:
    next(steps)
    try:
        for reply in replies:
            steps.send(reply)
    except StopIteration as done:
        return done.value
    raise AssertionError("the dialogue wants more")


def test_a_recorded_dialogue_is_the_same_and_leaves_a_trail_without_queries() -> None:
    trail: list[Asked] = []
    yes, no = HttpResponse(status=200), HttpResponse(status=404)
    assert drive(recorded(dialogue(), trail), no, yes) == "found"
    assert trail == [
        Asked(Step.RESOURCE_METADATA, f"{IDP}/RESOURCE_METADATA", "404"),
        Asked(Step.SERVER_METADATA, f"{IDP}/SERVER_METADATA", "200"),
    ]


def test_a_recorded_dialogue_fails_as_it_would() -> None:
    trail: list[Asked] = []
    with pytest.raises(ProviderUnavailable):
        drive(recorded(dialogue(), trail), HttpFailure(reason="refused"))
    assert [each.answered for each in trail] == ["refused"]


def test_what_would_be_asked_first_is_known_without_asking() -> None:
    ended: list[str] = []

    def asks() -> Steps[str]:
        try:
            yield HttpRequest(step=Step.REGISTRATION, url=IDP)
        finally:
            ended.append("closed")
        return "never"

    assert unasked(asks()) is None
    assert ended == ["closed"]

    def knows() -> Generator[HttpRequest, HttpReply, str]:
        return "known"
        yield

    assert unasked(knows()) == "known"
