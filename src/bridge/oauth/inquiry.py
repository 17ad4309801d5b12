"""Asking for documents: each address once, a bounded number, every verdict kept."""

from collections.abc import Mapping

from bridge.errors import OAuthError, ProviderUnavailable
from bridge.oauth.address import refusal, shown_address
from bridge.oauth.answer import SEE_WHETHER_IT_IS_UP, decides_nothing, retry_after
from bridge.oauth.http import (
    HttpFailure,
    HttpReply,
    HttpRequest,
    HttpResponse,
    Step,
    Steps,
)
from bridge.oauth.metadata import Document, NotMetadata, decode_document

#: The longest honest walk asks 16 addresses; a hostile one ends here.
MAX_ADDRESSES = 24
#: Servers of 2025-03-26 may answer by it.
REVISION = "2025-11-25"
_HEADERS: Mapping[str, str] = {
    "Accept": "application/json",
    "MCP-Protocol-Version": REVISION,
}
_OK = 200


class TooManyAddresses(Exception):
    """Whoever answers sends us around."""


class Inquiry:
    """What was asked in one discovery, and how each address did."""

    def __init__(self) -> None:
        self._replies: dict[str, HttpReply] = {}
        self._verdicts: dict[str, str] = {}

    @property
    def tried(self) -> tuple[str, ...]:
        """``<address> (<status or reason>)``, in the order asked."""
        return tuple(
            f"{shown_address(url)} ({verdict})"
            for url, verdict in self._verdicts.items()
        )

    def judge(self, url: str, verdict: str) -> None:
        """Say more of an address than its status does."""
        self._verdicts[url] = verdict

    def document(self, step: Step, url: str) -> Steps[Document | None]:
        """The JSON object at an address; None: absent (3xx, 4xx, a page).

        Raises `ProviderUnavailable` (no answer, 408, 429, 5xx), `AddressRefused` when
        the address must not be asked, and `TooManyAddresses`.
        """
        reply = yield from self._ask(step, url)
        if isinstance(reply, HttpFailure):
            raise _no_answer(url, reply)
        if decides_nothing(reply):
            raise _outage(url, reply)
        if reply.status != _OK:
            return None
        try:
            return decode_document(reply.body)
        except NotMetadata as absent:
            self.judge(url, f"200, {absent}")
            return None

    def _ask(self, step: Step, url: str) -> Steps[HttpReply]:
        if known := self._replies.get(url):
            return known
        if len(self._replies) >= MAX_ADDRESSES:
            raise TooManyAddresses
        reply = yield HttpRequest(step=step, url=url, headers=_HEADERS)
        self._replies[url] = reply
        answered = isinstance(reply, HttpResponse)
        self.judge(url, str(reply.status) if answered else reply.reason)
        return reply


def _no_answer(url: str, failure: HttpFailure) -> OAuthError:
    if failure.refused:
        return refusal("metadata address", url, failure.reason)
    shown = shown_address(url)
    return ProviderUnavailable(
        f"no answer from {shown}: {failure.reason}",
        asked=f"GET {shown}",
        answered=failure.reason,
        advice=SEE_WHETHER_IT_IS_UP,
        retry_after=failure.retry_after,
    )


def _outage(url: str, response: HttpResponse) -> ProviderUnavailable:
    shown = shown_address(url)
    return ProviderUnavailable(
        f"{shown} answered {response.status}",
        asked=f"GET {shown}",
        answered=str(response.status),
        advice=SEE_WHETHER_IT_IS_UP,
        retry_after=retry_after(response),
    )
