"""Requests and answers of the simulated provider and its protected servers."""

from collections.abc import Callable, Mapping
from html import escape
from urllib.parse import parse_qsl, urlsplit

import msgspec
import trio

from kit.network import SimulatedNetwork, SimulatedStream
from kit.provider_rules import OAuthRefusal, ProviderCore
from kit.scripted_http import Asked, Exchange, ScriptedServer

FORM = "application/x-www-form-urlencoded"


def _nothing() -> None:
    return


class Answer(msgspec.Struct, kw_only=True):
    """A whole answer. ``lost`` is called when the client cannot have got it."""

    status: int = 200
    headers: Mapping[str, str] = {}
    body: bytes = b""
    lost: Callable[[], None] = _nothing


def json_answer(members: object, *, status: int = 200) -> Answer:
    """A JSON answer that is not to be kept (RFC 6749 section 5.1)."""
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return Answer(status=status, headers=headers, body=msgspec.json.encode(members))


def page(text: str, *, status: int = 200) -> Answer:
    """A page for a person."""
    body = f"<!doctype html><title>Provider</title>{text}".encode()
    return Answer(status=status, headers={"Content-Type": "text/html"}, body=body)


def message_page(text: str, *, status: int = 400) -> Answer:
    return page(f"<p>{escape(text)}</p>", status=status)


def refused(refusal: OAuthRefusal) -> Answer:
    return json_answer({"error": refusal.error}, status=refusal.status)


async def send(exchange: Exchange, answer: Answer) -> None:
    """Send it; if the client has left, the answer is lost."""
    try:
        await exchange.answer(answer.status, answer.body, answer.headers)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        answer.lost()
        raise


def path_of(asked: Asked) -> str:
    return urlsplit(asked.target).path


def query_of(core: ProviderCore, asked: Asked) -> dict[str, str]:
    """The query, each parameter once."""
    return _single(core, urlsplit(asked.target).query)


def form_of(core: ProviderCore, asked: Asked) -> dict[str, str]:
    """The form of a POST, each parameter once (RFC 6749 section 3.2)."""
    if asked.method != "POST":
        raise core.refuse("request.method", asked.method, error="invalid_request")
    if asked.headers.get("content-type", "").partition(";")[0] != FORM:
        raise core.refuse("request.content_type", error="invalid_request")
    if urlsplit(asked.target).query:
        raise core.refuse(
            "request.query", "secrets go in the body", error="invalid_request"
        )
    return _single(core, asked.body.decode("ascii"))


def _single(core: ProviderCore, text: str) -> dict[str, str]:
    pairs = parse_qsl(text, keep_blank_values=True)
    values = dict(pairs)
    if len(values) < len(pairs):
        raise core.refuse("parameter.repeated", error="invalid_request")
    if empty := [name for name, value in pairs if not value]:
        raise core.refuse("parameter.empty", empty[0], error="invalid_request")
    return values


class Site:
    """Where a simulated server lives: ``base`` is ``http://<host>[:<port>]``."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.scheme == "http", "the simulated network has no TLS"
        assert parts.hostname is not None
        self.address = (parts.hostname, parts.port or 80)
        self.base = f"http://{parts.netloc}"
        self.path = parts.path

    async def serve(
        self,
        server: ScriptedServer,
        network: SimulatedNetwork,
        nursery: trio.Nursery,
    ) -> None:
        """Serve until the nursery ends; a connection ends with its client's half."""

        async def handle(stream: SimulatedStream) -> None:
            try:
                await server.handle(stream)
            finally:
                await trio.aclose_forcefully(stream)

        await network.serve(nursery, self.address, handler=handle)
