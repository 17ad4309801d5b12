"""How a walk is shown."""

import json

from bridge.cli.doctor.finding import (
    Report,
    as_json,
    as_lines,
    failed,
    failure,
    ok,
    skipped,
    tally,
)
from bridge.cli.doctor.meeting import HANDSHAKE, OPENS, TOOLS, Meeting, findings
from bridge.errors import IssuerRefused, LinkError
from bridge.observe.status import UpstreamStatus

WELL = Report(
    server="a", place="https://a", findings=(ok("one", "fine"), ok("two", ""))
)
ILL = Report(
    server="b",
    place="program",
    findings=(
        ok("one", "fine"),
        failed("two", "broken", asked="A", answered="B", rule="C", advice="D"),
        skipped("three", "not tried"),
    ),
)


def test_steps_have_a_sign_and_failures_an_explanation() -> None:
    assert list(as_lines(ILL, signs=True)) == [
        "b (program)",
        "  ✓ one: fine",
        "  ✗ two: broken",
        "      asked: A",
        "      answered: B",
        "      rule: C",
        "      what to do: D",
        "  - three: not tried",
    ]


def test_without_signs_the_words_are_ascii() -> None:
    text = "\n".join(as_lines(ILL, signs=False))
    assert text.isascii()
    assert "[ok] one" in text
    assert "[FAILED] two" in text
    assert list(as_lines(WELL, signs=False))[-1] == "  [ok] two"


def test_a_server_is_well_when_every_step_is_a_tick() -> None:
    assert (WELL.well, ILL.well) == (True, False)
    assert not Report(server="c", place="", findings=(skipped("x", ""),)).well
    assert tally([WELL, ILL]) == "every step is well at 1 of 2 servers"
    assert tally([WELL]) == "every step is well at 1 of 1 server"
    assert tally([]) == "no server to look at"


def test_programs_get_the_same() -> None:
    said = json.loads(json.dumps(as_json([WELL, ILL])))
    assert said["ok"] is False
    assert [each["ok"] for each in said["servers"]] == [True, False]
    assert said["servers"][1]["steps"] == [
        {"step": "one", "said": "fine", "outcome": "ok"},
        {
            "step": "two",
            "said": "broken",
            "asked": "A",
            "answered": "B",
            "rule": "C",
            "advice": "D",
            "outcome": "failed",
        },
        {"step": "three", "said": "not tried", "outcome": "skipped"},
    ]
    assert as_json([WELL])["ok"] is True


def test_an_error_becomes_a_finding_with_what_it_explains() -> None:
    refused = failure("issuer", IssuerRefused("no", rule="R", advice="A"))
    assert (refused.said, refused.rule, refused.advice) == ("no", "R", "A")
    assert failure("x", LinkError("gone")) == failed("x", "gone")


def met(*phases: str, **last: object) -> list[tuple[str, str, str]]:
    status = UpstreamStatus(name="a", state="", **last)  # pyright: ignore[reportArgumentType]
    steps = findings(Meeting(phases, status), advice="look")
    return [(each.step, each.outcome.label, each.said) for each in steps]


def test_a_connection_is_told_as_far_as_it_came() -> None:
    assert met("connecting", "backing_off", last_error="refused") == [
        (OPENS, "failed", "refused"),
        (HANDSHAKE, "skipped", "not reached"),
        (TOOLS, "skipped", "not reached"),
    ]
    assert met("connecting", "handshaking", "backing_off", reason="silent") == [
        (OPENS, "ok", "open"),
        (HANDSHAKE, "failed", "silent"),
        (TOOLS, "skipped", "not reached"),
    ]
    way = ("connecting", "handshaking", "discovering")
    assert met(*way, "backing_off", last_error="junk") == [
        (OPENS, "ok", "open"),
        (HANDSHAKE, "ok", "agreed"),
        (TOOLS, "failed", "junk"),
    ]
    assert met(*way, "ready", server="clock 1", revision="2025-11-25", tools=2) == [
        (OPENS, "ok", "open"),
        (HANDSHAKE, "ok", "clock 1 speaks 2025-11-25"),
        (TOOLS, "ok", "2 listed"),
    ]


def test_a_connection_that_said_nothing_at_all_has_failed() -> None:
    steps = list(findings(Meeting((), None), advice="look"))
    assert steps[0].said.startswith("no answer within ")
    assert steps[0].advice == "look"
