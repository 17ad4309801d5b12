import pytest

from bridge.errors import LinkError, RequestRefused, SessionLost
from bridge.wire import answers

JSON = {"content-type": "application/json"}


@pytest.mark.requirement("C20")
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("999999999999999999999", 300.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("\u0663", None),
        ("Sun, 22 Nov 2026 10:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 09:00:00 GMT", 0.0),
        ("Sun, 22 Nov 9999 09:00:00 GMT", 300.0),
    ],
)
def test_retry_after_is_seconds_or_a_date_clamped(
    value: str, seconds: float | None
) -> None:
    headers = {"retry-after": value, "date": "Sun, 22 Nov 2026 10:00:00 GMT"}
    assert answers.retry_after(headers) == seconds


def test_a_date_without_the_answers_own_date_says_nothing() -> None:
    headers = {"retry-after": "Sun, 22 Nov 2026 10:00:30 GMT"}
    assert answers.retry_after(headers) is None
    assert answers.retry_after({}) is None


def test_statuses_of_success_are_no_refusal() -> None:
    assert answers.refusal(200, {}, name="u") is None
    assert answers.refusal(204, {}, name="u") is None


@pytest.mark.parametrize("status", [100, 199, 300, 304, 404, 418, 500, 599, 999])
def test_every_other_status_is_a_refusal(status: int) -> None:
    error = answers.refusal(status, {}, name="u")
    assert isinstance(error, RequestRefused)
    assert error.status == status


def test_404_means_a_lost_session_only_within_one() -> None:
    assert isinstance(answers.refusal(404, {}, name="u", in_session=True), SessionLost)
    assert not isinstance(answers.refusal(404, {}, name="u"), SessionLost)


def test_a_challenge_is_kept_up_to_a_limit() -> None:
    error = answers.refusal(401, {"www-authenticate": "B" * 9000}, name="u")
    assert isinstance(error, LinkError)
    assert len(getattr(error, "challenge", "")) == 4096


@pytest.mark.requirement("C25")
@pytest.mark.parametrize(
    ("text", "legal"),
    [
        ("abc-123~", True),
        ("!", True),
        ("", False),
        ("a b", False),
        ("a\n", False),
        ("\u00e9", False),
        ("\x7f", False),
        ("x" * 512, True),
        ("x" * 513, False),
    ],
)
def test_session_ids_are_visible_ascii_and_short(text: str, *, legal: bool) -> None:
    assert answers.is_session_id(text) is legal


def test_the_media_type_is_without_parameters_and_case() -> None:
    assert answers.media_type({"content-type": "Text/HTML ; charset=x"}) == "text/html"
    assert answers.media_type({}) == ""


def test_only_some_refusals_may_carry_an_answer() -> None:
    assert answers.may_carry_answer(400, JSON)
    assert not answers.may_carry_answer(400, {"content-type": "text/html"})
    assert not answers.may_carry_answer(503, JSON)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"jsonrpc":"2.0","id":null,"error":{"code":1}}', True),
        (b'{"jsonrpc":"2.0","id":2,"error":{"code":1}}', True),
        (b'{"jsonrpc":"2.0","id":3,"error":{"code":1}}', False),
        (b'{"jsonrpc":"2.0","id":2,"result":{}}', False),
        (b'{"detail":"no"}', False),
        (b"", False),
    ],
)
def test_an_error_in_the_body_answers_its_request(body: bytes, *, found: bool) -> None:
    frame = answers.error_in(body, 2)
    assert (frame is not None) is found
    assert frame is None or frame.id == 2
