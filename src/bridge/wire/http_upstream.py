"""What the transports to an address know of their upstream."""

import random  # noqa: TID251 - only the type; the generator is handed in
import ssl
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Mapping
from contextlib import asynccontextmanager

from bridge.errors import Unauthorized
from bridge.http import Answer, ClientPool, HttpClient, HttpClients
from bridge.observe.logging import Log
from bridge.wire import answers
from bridge.wire.link import BearerSource, HeaderSource, NoBearer, Refusal

#: The headers of one request, asked again when it is repeated with another token.
RequestHeaders = Callable[[], Mapping[str, str]]
_FORBIDDEN = 403
_UNAUTHORIZED = 401
_SERVER_FAULT = 500
_SPREAD = 0.25  # streams that all ended together are not all opened together


class HttpUpstream:
    """Where an upstream is and what every request to it carries.

    ``headers`` are those of the configuration and, over them, ``bearer``'s.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        clients: HttpClients,
        headers: HeaderSource,
        log: Log,
        frame_bytes: int,
        bearer: BearerSource | None = None,
        verify: bool = True,
        max_in_flight: int = 64,
        rng: random.Random | None = None,
    ) -> None:
        self.url = url
        self.name = name
        self.headers = headers
        self.bearer = bearer or NoBearer()
        self.log = log
        self.frame_bytes = frame_bytes
        self.max_in_flight = max_in_flight
        self._clients = clients
        self.rng = rng
        self._verify = verify

    def spread(self, seconds: float) -> float:
        """A pause that many upstreams may begin at the same moment."""
        chance = 0.0 if self.rng is None else self.rng.random()
        return seconds * (1 + _SPREAD * chance)

    def client(self) -> HttpClient:
        return self._clients.client(verify=self._verify)

    def context(self) -> ssl.SSLContext:
        """The TLS context, shared with the clients of all upstreams."""
        return self._clients.context(verify=self._verify)

    def pool(self, *, bound: int) -> ClientPool:
        return self._clients.pool(bound=bound, verify=self._verify)

    @asynccontextmanager
    async def exchange(
        self,
        client: HttpClient,
        method: str,
        url: str,
        *,
        headers: RequestHeaders,
        content: AsyncIterable[bytes] | None = None,
    ) -> AsyncGenerator[Answer, None]:
        """`HttpClient.exchange` with the token of the moment.

        A 401 is worth one renewal and one repetition: it says that the request did not
        run. Raises `Unauthorized` when that did not help.
        """
        generation = self.bearer.generation
        async with client.exchange(
            method, url, headers=headers(), content=content
        ) as answer:
            if answer.status != _UNAUTHORIZED:
                self._learn(answer, generation)
                yield answer
                return
            challenge = answers.challenge(answer.headers)
        refusal = await self.bearer.renew(generation, challenge)
        if refusal is not None:
            raise self._unauthorized(challenge, generation, refusal)
        generation = self.bearer.generation
        async with client.exchange(
            method, url, headers=headers(), content=content
        ) as answer:
            if answer.status == _UNAUTHORIZED:
                challenge = answers.challenge(answer.headers)
                raise self._unauthorized(challenge, generation, self._still())
            self._learn(answer, generation)
            yield answer

    def _learn(self, answer: Answer, generation: int) -> None:
        if answer.status == _FORBIDDEN:
            self.bearer.insufficient(generation, answers.challenge(answer.headers))
        elif answer.status < _SERVER_FAULT:  # a gateway has not asked the server
            self.bearer.accepted(generation)

    def _still(self) -> Refusal:
        """It does not take the newest token either."""
        advice = f"bridge oauth login {self.name}"
        return Refusal(advice=f"refuses its own new token: run '{advice}'")

    def _unauthorized(
        self, challenge: str, generation: int, refusal: Refusal
    ) -> Unauthorized:
        return Unauthorized(
            f"'{self.name}' asks for authorization",
            challenge=challenge,
            generation=generation,
            passing=refusal.passing,
            advice=refusal.advice,
        )
