"""One client at one server: how its form requests are put and their answers read."""

from collections.abc import Callable, Mapping
from urllib.parse import urlencode

import msgspec

from bridge.errors import IssuerRefused
from bridge.oauth.address import check_endpoint
from bridge.oauth.answer import Question, Refusal, read
from bridge.oauth.client_auth import prove
from bridge.oauth.http import HttpRequest, Step, Steps
from bridge.oauth.provider import Client, Provider
from bridge.oauth.settings import OAuthSettings

_SECRETS = ("code", "code_verifier", "refresh_token", "device_code", "token")


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks whom, with which clock (epoch seconds) and which chance.

    A client is used at the issuer it belongs to, and nowhere else (threats D4).
    """

    client: Client
    provider: Provider
    settings: OAuthSettings
    now_of: Callable[[], float]
    new_token: Callable[[int], str]

    def question(
        self, step: Step, url: str, *, parameters: Mapping[str, str]
    ) -> Question:
        """A form POST with the client's proof; empty parameters are left out.

        Raises `AddressRefused` for an address tokens must not be sent to,
        `IssuerRefused` for another issuer's client, `RegistrationFailed` for a proof
        that cannot be given.
        """
        self._check_issuer()
        address = check_endpoint(url, what=f"{step.value} endpoint")
        proof = prove(
            self.client,
            self.settings,
            provider=self.provider,
            now=self.now_of(),
            new_token=self.new_token,
        )
        form = {k: v for k, v in (*parameters.items(), *proof.parameters.items()) if v}
        request = HttpRequest(
            step=step,
            url=address,
            method="POST",
            headers={
                "accept": "application/json",
                "content-type": "application/x-www-form-urlencoded",
                **proof.headers,
            },
            body=urlencode(form).encode(),
        )
        sent = tuple(form[name] for name in _SECRETS if name in form)
        return Question(request=request, secrets=sent + proof.secrets)

    def ask(
        self, step: Step, url: str, *, parameters: Mapping[str, str]
    ) -> Steps[dict[str, object] | Refusal]:
        """Put one question and read its answer; raises what both of them raise."""
        question = self.question(step, url, parameters=parameters)
        reply = yield question.request
        return read(question, reply, now=self.now_of())

    def _check_issuer(self) -> None:
        if self.client.issuer != self.provider.issuer:
            raise IssuerRefused(
                f"the client of {self.client.issuer} is not used at "
                f"{self.provider.issuer}",
                rule="credentials belong to the issuer that gave them (RFC 9700)",
                advice=f"log in to server '{self.settings.name}' again",
            )
