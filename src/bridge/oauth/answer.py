"""What an OAuth endpoint answered, read without trusting it.

Every text taken over from a server is bounded, printable, and free of the secrets
that were sent to it: some servers repeat what they refuse.
"""

import re
from collections.abc import Collection, Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl, quote, quote_plus

import msgspec

from bridge.errors import (
    AddressRefused,
    OAuthError,
    ProviderUnavailable,
    TokenAnswerInvalid,
)
from bridge.oauth.address import shown_address
from bridge.oauth.http import HttpFailure, HttpReply, HttpRequest, HttpResponse

SECRET_LIMIT = 16_384  # characters; a token with many groups has about 10 kB
_SHOWN = 300  # characters of a foreign text in an error
_CODE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e][\x20\x21\x23-\x5b\x5d-\x7e]{0,63}")
_SECRET = re.compile(r"[\x21-\x7e]+")
_PKCE = re.compile(r"(?i)pkce|code[ _-]?(?:verifier|challenge)")
_RETRY_LIMIT = 3_600.0  # s; a provider that wants more is asked once an hour
_REQUEST_TIMEOUT, _TOO_MANY, _SERVER_ERROR = 408, 429, 500
_SUCCESS, _REDIRECT, _REFUSED = range(200, 300), range(300, 400), range(400, 500)
_MASK = "[redacted]"
#: Advice where nothing is decided.
SEE_WHETHER_IT_IS_UP = "see whether the provider is up and can be reached from here"


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was sent, and the secrets in it."""

    request: HttpRequest
    secrets: Collection[str] = ()

    def __repr__(self) -> str:
        return f"Question({self.request!r})"

    @property
    def asked(self) -> str:
        """Method and address, for people."""
        return f"{self.request.method} {shown_address(self.request.url)}"

    def shown(self, text: str) -> str:
        """A server's text for people: printable, bounded, without our secrets."""
        for secret in sorted(filter(None, self.secrets), key=len, reverse=True):
            for spelling in (secret, quote_plus(secret), quote(secret, safe="")):
                text = text.replace(spelling, _MASK)
        return printable(text)


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """An OAuth error answer (RFC 6749 section 5.2)."""

    asked: str  # method and address
    status: int
    error: str
    description: str = ""

    @property
    def answered(self) -> str:
        """Status, code and description, for people."""
        tail = f" ({self.description})" if self.description else ""
        return f"{self.status} {self.error}{tail}"

    @property
    def of_pkce(self) -> bool:
        """Whether it is our PKCE the server complains about (R95)."""
        return complains_of_pkce(self.error, self.description)


def complains_of_pkce(error: str, description: str) -> bool:
    """Whether an error answer is about PKCE: no standard code says so (R95)."""
    about = error in {"invalid_grant", "invalid_request"}
    return about and _PKCE.search(description) is not None


def printable(text: str) -> str:
    """Foreign text on one line: invisible characters escaped, length bounded."""
    cut = text[: _SHOWN + 1]
    plain = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in cut)
    return plain if len(plain) <= _SHOWN else f"{plain[:_SHOWN]}..."


def error_of(members: Mapping[str, object]) -> tuple[str, str]:
    """Error code and description of an answer; no code: it is no OAuth error.

    Okta writes some of them ``errorCode`` and ``errorSummary``.
    """
    code = text_of(members, "error") or text_of(members, "errorCode")
    text = text_of(members, "error_description") or text_of(members, "errorSummary")
    return (code, text) if _CODE.fullmatch(code) else ("", text)


def is_secret(text: str) -> bool:
    """Whether a token, code or secret can be used: visible ASCII, bounded, not empty.

    Blanks and line ends would change the header they are sent in (threats D9).
    """
    return len(text) <= SECRET_LIMIT and _SECRET.fullmatch(text) is not None


def text_of(members: Mapping[str, object], name: str) -> str:
    """A member that is a text; anything else is as if it were not there."""
    value = members.get(name)
    return value if isinstance(value, str) else ""


def members_of(response: HttpResponse) -> dict[str, object] | None:
    """The members of a JSON object, or of a form (older providers); None: neither."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return _form_of(response.body)
    try:
        return msgspec.json.decode(response.body, type=dict[str, object])
    except (ValueError, RecursionError):  # also text that is no UTF-8, deep nesting
        return None


def _form_of(body: bytes) -> dict[str, object] | None:
    try:
        pairs = parse_qsl(body.decode("ascii"), max_num_fields=64)
    except ValueError:
        return None
    return dict[str, object](pairs)


def read(
    question: Question, reply: HttpReply, *, now: float
) -> dict[str, object] | Refusal:
    """The members of a good answer, or the OAuth error that was answered.

    Raises `AddressRefused` (not even asked), `ProviderUnavailable` (no answer, 408,
    429, 5xx, and a 4xx that is no OAuth error: something in between answered),
    `TokenAnswerInvalid` (a redirect, or no JSON object). ``now``: epoch seconds.
    """
    response = answered(question, reply, now=now)
    members = members_of(response)
    code, description = error_of(members or {})
    decided = response.status in _SUCCESS or response.status in _REFUSED
    if code and decided:
        return Refusal(
            asked=question.asked,
            status=response.status,
            error=code,
            description=question.shown(description),
        )
    if response.status in _REFUSED:
        raise unavailable(question, response, now=now)
    if response.status not in _SUCCESS or members is None:
        raise _shapeless(question, response)
    return members


def answered(question: Question, reply: HttpReply, *, now: float) -> HttpResponse:
    """The answer, if the server decided anything at all.

    Raises `AddressRefused` and `ProviderUnavailable`.
    """
    if isinstance(reply, HttpFailure):
        raise _failure(question, reply)
    if decides_nothing(reply):
        raise unavailable(question, reply, now=now)
    return reply


def decides_nothing(response: HttpResponse) -> bool:
    """408, 429 and 5xx: the same may be answered otherwise later."""
    undecided = response.status in {_REQUEST_TIMEOUT, _TOO_MANY}
    return undecided or response.status >= _SERVER_ERROR


def _failure(question: Question, failure: HttpFailure) -> OAuthError:
    what = question.request.step.value
    reason = question.shown(failure.reason)
    if failure.refused:
        return AddressRefused(
            f"the {what} endpoint is not asked: {reason}",
            asked=question.asked,
            answered=reason,
            rule="private networks are asked only where the MCP server itself is there",
            advice="correct the provider's metadata or the configured addresses",
        )
    return ProviderUnavailable(
        f"the {what} endpoint did not answer: {reason}",
        asked=question.asked,
        answered=reason,
        advice=SEE_WHETHER_IT_IS_UP,
        retry_after=failure.retry_after,
    )


def unavailable(
    question: Question, response: HttpResponse, *, now: float
) -> ProviderUnavailable:
    """The error for an answer that decides nothing."""
    return ProviderUnavailable(
        f"the {question.request.step.value} endpoint answered {response.status}, "
        "which decides nothing: the same may work later",
        asked=question.asked,
        answered=f"{response.status}, no OAuth error",
        advice=SEE_WHETHER_IT_IS_UP,
        retry_after=retry_after(response, now=now),
    )


def _shapeless(question: Question, response: HttpResponse) -> TokenAnswerInvalid:
    what = question.request.step.value
    if response.status in _REDIRECT:
        return TokenAnswerInvalid(
            f"the {what} endpoint redirects, and secrets are not sent on",
            asked=question.asked,
            answered=str(response.status),
            rule="RFC 6749 section 3.2: an endpoint answers itself",
            advice="have the metadata name the address it redirects to",
        )
    kind = question.shown(response.headers.get("content-type", "no content type"))
    return TokenAnswerInvalid(
        f"the {what} endpoint answered something that is not a JSON object",
        asked=question.asked,
        answered=f"{response.status}, {kind}, {len(response.body)} bytes",
        rule="RFC 6749 section 5: answers are JSON objects",
        advice="check that the address is that of the endpoint, not of a page",
    )


def retry_after(response: HttpResponse, *, now: float | None = None) -> float | None:
    """Seconds of a ``Retry-After`` (RFC 9110), at most an hour; None: none to read.

    A date is read by whoever knows what time it is: ``now``, in epoch seconds.
    """
    text = response.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _RETRY_LIMIT)
    if now is None:
        return None
    try:
        until = parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(until - now, 0.0), _RETRY_LIMIT)
