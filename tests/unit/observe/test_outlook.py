"""What an upstream waits for, in words a person can act on."""

import pytest

from bridge.observe.outlook import duration, next_step, pause

REASON = "connection refused"


@pytest.mark.parametrize(
    ("state", "phase", "retry_in", "said"),
    [
        ("connected", "ready", None, ""),
        ("connecting", "", None, "the connection to open"),
        ("connecting", "connecting", None, "the connection to open"),
        ("connecting", "queued", None, "its turn at a host many servers share"),
        ("connecting", "handshaking", None, "its answer to the handshake"),
        (
            "connecting",
            "discovering",
            None,
            "its lists of tools, prompts and resources",
        ),
        ("connecting", "authorizing", None, "new credentials from its provider"),
        ("backoff", "backing_off", 11.2, "reconnect in 12 s after: connection refused"),
        ("failed", "failed", 61, "reconnect in 1 min after: connection refused"),
        ("failed", "failed", None, "an operator: bridge mcp reconnect files"),
        ("auth_required", "awaiting_login", None, "a login: bridge oauth login files"),
        (
            "auth_required",
            "awaiting_login",
            4,
            "a login: bridge oauth login files; tried again in 4 s",
        ),
        ("disabled", "", None, "the configuration: it says enabled: false"),
        ("invalid", "", None, "a corrected configuration: bridge check"),
        ("disconnected", "draining", None, "its calls in flight to end"),
        ("disconnected", "stopped", None, ""),
    ],
)
def test_each_state_says_what_is_next(
    state: str, phase: str, retry_in: float | None, said: str
) -> None:
    shown = next_step(
        "files",
        state=state,
        phase=phase,
        reason=REASON,
        retry_in=retry_in,
        has_login=True,
    )
    assert shown == said


def test_without_a_login_of_its_own_credentials_are_what_helps() -> None:
    assert next_step("files", state="auth_required") == (
        "credentials in its configuration (authentication, headers or oauth), "
        "then: bridge mcp reconnect files"
    )


@pytest.mark.requirement("R127")
@pytest.mark.parametrize(
    ("circuit", "retry_in", "said"),
    [
        ("closed", None, ""),
        ("closed", 0, ""),
        ("closed", 19.2, "the patience it asked for to end in 20 s"),
        (
            "open",
            14.3,
            "a call that tries it in 15 s: it answered only errors (circuit open)",
        ),
        (
            "open",
            None,
            "a call that tries it now: it answered only errors (circuit open)",
        ),
        (
            "half_open",
            None,
            "a call that tries it: it answered only errors (circuit half open)",
        ),
    ],
)
def test_a_connected_server_that_is_left_alone_says_why_and_until_when(
    circuit: str, retry_in: float | None, said: str
) -> None:
    shown = next_step("web", state="connected", circuit=circuit, retry_in=retry_in)
    assert shown == said


def test_a_name_is_written_as_a_shell_takes_it() -> None:
    assert next_step("my files; x", state="failed") == (
        "an operator: bridge mcp reconnect 'my files; x'"
    )


def test_a_pause_without_a_reason_is_still_a_pause() -> None:
    assert next_step("files", state="backoff", retry_in=2) == "reconnect in 2 s"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0 s"), (-1.0, "0 s"), (0.01, "1 s"), (59.5, "1 min")]
)
def test_a_time_ahead_is_rounded_up(seconds: float, text: str) -> None:
    assert pause(seconds) == text
    assert duration(59.5) == "59 s"
