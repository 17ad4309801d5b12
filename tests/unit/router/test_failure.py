import msgspec
import pytest

from bridge import errors
from bridge.protocol.frame import Frame
from bridge.router.failure import META_KEY, data_of, failure

DOWN = errors.UpstreamUnavailable(
    "upstream 'a' is down", upstream="a", state="backoff", retry_after=1.5
)
LOGIN = errors.LoginNeeded("run: bridge oauth login a", upstream="a", state="auth")
LATE = errors.CallTimeout("too late", upstream="a")
FULL = errors.Overloaded("too many calls", upstream="a")
LOST = errors.UpstreamLost("may or may not have run", upstream="a", written=True)
REFUSED = errors.RequestRefused("HTTP 500", status=500)
ODD = errors.StorageError("disk")


def body(frame: Frame) -> dict[str, object]:
    assert isinstance(frame.error, msgspec.Raw)
    return msgspec.json.decode(frame.error)


@pytest.mark.requirement("R124")
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DOWN, 1001),
        (LATE, 1002),
        (LOGIN, 1003),
        (FULL, 1004),
        (LOST, 1005),
        (REFUSED, 1001),
    ],
)
def test_a_failure_of_the_way_is_a_code_and_for_a_tool_a_result(
    error: errors.BridgeError, code: int
) -> None:
    assert body(failure(1, "prompts/get", error))["code"] == code
    frame = failure(1, "tools/call", error)
    assert isinstance(frame.result, msgspec.Raw)
    result = msgspec.json.decode(frame.result)
    assert result["isError"] is True
    assert result["content"] == [{"type": "text", "text": error.public}]
    assert result["_meta"][META_KEY]["code"] == code


@pytest.mark.parametrize(
    ("method", "error", "code"),
    [
        ("tools/call", errors.UnknownName("unknown tool"), -32602),
        ("prompts/get", errors.UnknownName("unknown prompt"), -32602),
        ("resources/read", errors.UnknownName("not found"), -32002),
        ("tools/call", errors.FrameInvalid("params.name"), -32602),
        ("tools/call", errors.ProtocolError("initialize first"), -32600),
        ("tools/call", ODD, -32603),
    ],
)
def test_what_is_no_failure_of_the_way_is_an_error_for_tools_too(
    method: str, error: errors.BridgeError, code: int
) -> None:
    assert body(failure("x", method, error))["code"] == code


def test_the_data_names_upstream_state_and_when_to_come_again() -> None:
    assert body(failure(1, "prompts/get", DOWN))["data"] == {
        "reason": "routing.upstream_unavailable",
        "executed": "no",
        "retrySafe": True,
        "retryable": True,
        "upstream": "a",
        "state": "backoff",
        "retryAfterMs": 1500,
    }


@pytest.mark.requirement("P2")
@pytest.mark.parametrize(
    ("error", "executed"),
    [
        (DOWN, "no"),
        (LOGIN, "no"),
        (FULL, "no"),
        (errors.UnknownName("unknown tool"), "no"),
        (errors.FrameInvalid("params"), "no"),
        (errors.CallTimeout("not sent", upstream="a", written=False), "no"),
        (errors.UpstreamLost("not sent", upstream="a", written=False), "no"),
        (LATE, "unknown"),
        (LOST, "unknown"),
        (
            errors.UpstreamUnavailable(
                "HTTP 503", upstream="a", state="connected", written=True
            ),
            "unknown",
        ),
        (REFUSED, "unknown"),
        (ODD, "unknown"),
    ],
)
def test_every_failure_says_whether_it_ran_and_whether_asking_again_is_safe(
    error: errors.BridgeError, executed: str
) -> None:
    for repeatable in (False, True):
        data = data_of(error, repeatable=repeatable)
        assert data["executed"] == executed
        assert data["retrySafe"] is (repeatable or executed == "no")
