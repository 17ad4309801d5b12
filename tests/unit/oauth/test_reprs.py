"""What a traceback or a debugger prints of this room holds no secret."""

import pytest
from msgspec.structs import replace

from bridge.oauth.http import HttpRequest, HttpResponse, Step
from bridge.oauth.settings import OAuthSettings
from kit.token_states import credential

HELD = credential("canary")
CANARIES = ("canary", "s3cret")


@pytest.mark.requirement("R103", "D15")
@pytest.mark.parametrize(
    "thing",
    [
        HELD,
        HELD.tokens,
        replace(HELD.client, client_secret="s3cret"),
        HttpResponse(status=200, headers={"x": "s3cret"}, body=b"s3cret"),
        HttpRequest(
            method="POST",
            url="https://auth.example/token",
            step=Step.TOKEN,
            headers={"Authorization": "Basic s3cret"},
            body=b"code=s3cret",
        ),
        OAuthSettings(
            name="web", server_url="https://mcp.example", client_secret="s3cret"
        ),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_no_repr_shows_a_secret(thing: object) -> None:
    shown = repr(thing)
    assert not any(canary in shown for canary in CANARIES)


def test_a_credential_names_its_issuer() -> None:
    assert HELD.issuer == HELD.provider.issuer
