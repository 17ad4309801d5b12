"""Events become lines: levels, context, sentences, escapes, tracebacks."""

import json
from collections import Counter
from typing import Any, Literal

import msgspec
import pytest

from bridge.observe import catalogue as events
from bridge.observe.logging import Log, build_log
from bridge.observe.redact import Redactor

NOON = 1_795_348_800.25  # 2026-11-22T12:00:00.250Z


class StoppedClock:
    def now(self) -> float:
        return NOON


class Page:
    """What was written, line by line."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def log(
        self,
        form: Literal["json", "console"] = "json",
        *,
        level: str = "debug",
        redactor: Redactor | None = None,
        strict: bool = False,
    ) -> Log:
        return build_log(
            level=level,
            format=form,
            write=self.lines.append,
            clock=StoppedClock(),
            redactor=redactor or Redactor(),
            strict=strict,
        )

    @property
    def last(self) -> dict[str, Any]:
        return json.loads(self.lines[-1])

    @property
    def text(self) -> str:
        return self.lines[-1].decode()


@pytest.fixture
def page() -> Page:
    return Page()


@pytest.mark.requirement("R147")
def test_an_event_is_one_json_line_with_time_level_name_and_fields(page: Page) -> None:
    page.log().bind(upstream="github", epoch=3).emit(events.UPSTREAM_STDERR, line="hi")
    (line,) = page.lines
    assert line == (
        b'{"time":"2026-11-22T12:00:00.250Z","level":"debug","event":"upstream.stderr",'
        b'"upstream":"github","epoch":3,"line":"hi"}\n'
    )


@pytest.mark.requirement("R147")
def test_on_a_console_a_line_reads_from_left_to_right(page: Page) -> None:
    log = page.log("console").bind(upstream="github")
    log.emit(events.OAUTH_PREFLIGHT_FAILED, reason="no issuer")
    assert page.text == (
        "12:00:00.250 error   oauth.preflight_failed "
        "OAuth preflight check failed for server 'github' "
        'upstream=github reason="no issuer"\n'
    )


def test_a_field_called_from_is_written_without_its_underscore(page: Page) -> None:
    page.log().emit(events.UPSTREAM_STATE_CHANGED, from_="ready", to="backing_off")
    assert page.last["from"] == "ready"
    assert "from_" not in page.last


def test_a_list_in_a_promised_sentence_gets_lines_of_its_own(page: Page) -> None:
    tried = ("https://a.test/x (404)", "https://a.test/y (500)")
    page.log().emit(events.OAUTH_DISCOVERY_FAILED, upstream="a", tried=tried)
    assert page.last["message"] == (
        "OAuth discovery failed for all endpoints:\n"
        "- https://a.test/x (404)\n- https://a.test/y (500)"
    )


@pytest.mark.requirement("R145", "D16")
@pytest.mark.parametrize("form", ["json", "console"])
def test_switched_off_verification_is_a_warning_that_names_the_server(
    page: Page, form: Literal["json", "console"]
) -> None:
    page.log(form, level="warning").emit(
        events.TLS_VERIFICATION_DISABLED, upstream="dev", scope="connection"
    )
    assert "TLS verification is disabled for server 'dev' (connection)." in page.text
    assert "warning" in page.text


def test_events_below_the_level_are_not_written(page: Page) -> None:
    log = page.log(level="WARNING")
    log.emit(events.BRIDGE_READY, seconds=1)
    log.emit(events.SESSION_OVERFLOWED, queued=9)
    assert [json.loads(line)["event"] for line in page.lines] == ["session.overflowed"]


@pytest.mark.requirement("R148")
def test_one_upstream_may_have_a_level_of_its_own(page: Page) -> None:
    log = page.log(level="info")
    loud, quiet = log.bind(upstream="a").at("DEBUG"), log.bind(upstream="b").at("ERROR")
    for one in (loud, quiet, log.bind(upstream="c")):
        one.emit(events.UPSTREAM_STDERR, line="x")
        one.emit(events.UPSTREAM_CATALOG_CHANGED, added=1)
    assert [(json.loads(line)["upstream"]) for line in page.lines] == ["a", "a", "c"]


def test_the_level_survives_more_context(page: Page) -> None:
    page.log(level="error").bind(upstream="a").bind(epoch=1).emit(events.BRIDGE_STOPPED)
    assert page.lines == []


def test_enabled_tells_before_costly_fields_are_made(page: Page) -> None:
    log = page.log(level="info")
    assert log.enabled(events.BRIDGE_READY)
    assert not log.enabled(events.UPSTREAM_STDERR)
    assert log.at("debug").enabled(events.UPSTREAM_STDERR)


def test_a_strict_log_refuses_what_the_catalogue_does_not_list() -> None:
    log = Log(None, strict=True, level="error")
    with pytest.raises(ValueError, match=r"bridge\.ready has no field colour, size"):
        log.emit(events.BRIDGE_READY, size=1, colour="red")


def test_a_strict_log_takes_context_and_tracebacks(page: Page) -> None:
    strict = page.log(strict=True).bind(upstream="a")
    strict.emit(events.UPSTREAM_STATE_CHANGED, from_="a", epoch=1, exc_info=None)
    assert page.last["from"] == "a"
    with pytest.raises(ValueError, match="no field other"):
        strict.emit(events.UPSTREAM_STATE_CHANGED, other=1)


def crash(secret: str) -> Exception:
    local_variable = f"in a local: {secret}"
    try:
        raise ValueError(f"cannot use {secret}") if local_variable else KeyError
    except ValueError as error:
        return error


@pytest.mark.requirement("D15", "R103")
@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_shows_frames_but_neither_variables_nor_secrets(
    page: Page, form: Literal["json", "console"]
) -> None:
    redactor = Redactor()
    redactor.learn("hunter2-hunter2")
    error = crash("hunter2-hunter2")
    page.log(form, redactor=redactor).emit(
        events.CHILD_CRASHED, child="a", error=error, exc_info=error
    )
    assert "in crash" in page.text
    assert "ValueError: cannot use [redacted]" in page.text
    assert "in a local" not in page.text.replace('f"in a local', "")
    assert "hunter2" not in page.text


def test_a_console_traceback_is_indented_below_its_line(page: Page) -> None:
    page.log("console").emit(
        events.CHILD_CRASHED, child="a", exc_info=ValueError("two\nlines\x1b[2J")
    )
    assert page.text == (
        "12:00:00.250 error   child.crashed child=a\n"
        "    ValueError: two\n    lines\\x1b[2J\n"
    )


HOSTILE = "\x1b]0;owned\x07 \x9b2J \u202edrow \r\nfake line\u2028\ud800\x7f"


@pytest.mark.requirement("R152", "B3")
@pytest.mark.parametrize("form", ["json", "console"])
def test_text_of_an_upstream_cannot_drive_a_terminal_or_forge_a_line(
    page: Page, form: Literal["json", "console"]
) -> None:
    log = page.log(form).bind(upstream=HOSTILE)
    log.emit(events.OAUTH_PREFLIGHT_FAILED, reason={HOSTILE: [HOSTILE]})
    assert page.lines[-1].count(b"\n") == 1
    assert page.text[:-1].isprintable()


def test_numbers_json_cannot_hold_do_not_stop_a_line(page: Page) -> None:
    page.log().emit(
        events.BRIDGE_READY, upstreams=10**40, failed=float("nan"), seconds=None
    )
    assert page.last["upstreams"] == "<large integer>"
    assert page.last["failed"] is None


def test_values_of_any_type_are_shown_as_plain_data(page: Page) -> None:
    class Pair(msgspec.Struct):
        left: int
        password: str

    page.log().emit(
        events.BRIDGE_STOPPED,
        reason=[Pair(1, "hunter2"), b"bytes", {1: 2.5}, object(), ValueError("no")],
    )
    assert page.last["reason"] == [
        {"left": 1, "password": "[redacted]"},
        "bytes",
        {"1": 2.5},
        "<object>",
        "ValueError: no",
    ]


def test_a_log_hides_what_it_is_told_to_and_one_without_a_redactor_does_not_mind(
    page: Page,
) -> None:
    log = page.log()
    log.hide("files tokens", "opensesame-1")
    log.emit(events.OAUTH_REFRESH_FAILED, error="no opensesame-1")
    assert "opensesame" not in page.text
    Log(None).hide("files tokens", "opensesame-1")


def test_lines_are_counted_by_their_event() -> None:
    counts: Counter[str] = Counter()
    log = build_log(
        level="info",
        format="json",
        write=lambda _line: None,
        clock=StoppedClock(),
        redactor=Redactor(),
        counts=counts,
    )
    for _ in range(2):
        log.emit(events.BRIDGE_READY, upstreams=1)
    log.emit(events.UPSTREAM_STDERR, line="below the level")
    assert counts == {"bridge.ready": 2}
