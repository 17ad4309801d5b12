"""How a client proves itself at an endpoint that wants proof (RFC 6749 section 2.3).

none                  ``client_id`` in the form
client_secret_basic   both parts form-encoded, then HTTP Basic
client_secret_post    ``client_id`` and ``client_secret`` in the form
private_key_jwt       a signed assertion (RFC 7523)
"""

import base64
from collections.abc import Callable, Mapping
from urllib.parse import quote_plus

import msgspec

from bridge.errors import RegistrationFailed
from bridge.oauth.client_assertion import sign_assertion, signing_key, to_set
from bridge.oauth.provider import Client, Provider
from bridge.oauth.settings import AuthMethod, OAuthSettings

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
METHODS: tuple[AuthMethod, ...] = (
    "none",
    "client_secret_basic",
    "client_secret_post",
    "private_key_jwt",
)
NEEDS_SECRET = frozenset({"client_secret_basic", "client_secret_post"})


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What a request carries to prove who sends it. ``repr`` shows no secret."""

    headers: Mapping[str, str] = {}
    parameters: Mapping[str, str] = {}
    secrets: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "Proof()"


def choose_method(
    settings: OAuthSettings, provider: Provider, *, secret: str, agreed: str = ""
) -> AuthMethod:
    """The configured method, else the one ``agreed`` at registration, else what fits.

    What fits is a key or secret we hold in a form the metadata lists; an absent list
    means client_secret_basic (RFC 8414). Raises `RegistrationFailed`, naming the
    setting, when the method lacks its secret or key, or is unknown here.
    """
    method = settings.auth_method or agreed or _fitting(settings, provider, secret)
    if method not in METHODS:
        raise RegistrationFailed(
            "the provider wants a way to prove the client that is not supported",
            rule="RFC 7591: the method registered is the one used",
            advice=to_set(settings, "token_endpoint_auth_method", "to one of these: ")
            + ", ".join(METHODS),
        )
    if method in NEEDS_SECRET and not secret:
        raise RegistrationFailed(
            f"{method} needs a client secret, and there is none",
            advice=to_set(settings, "client_secret", "or another auth method"),
        )
    if method == "private_key_jwt":
        signing_key(settings)
    return method


def _fitting(settings: OAuthSettings, provider: Provider, secret: str) -> AuthMethod:
    listed = provider.token_endpoint_auth_methods_supported or ("client_secret_basic",)
    if settings.private_key and (not secret or "private_key_jwt" in listed):
        return "private_key_jwt"
    if not secret:
        return "none"
    post_only = "client_secret_post" in listed and "client_secret_basic" not in listed
    return "client_secret_post" if post_only else "client_secret_basic"


def prove(
    client: Client,
    settings: OAuthSettings,
    *,
    provider: Provider,
    now: float,
    new_token: Callable[[int], str],
) -> Proof:
    """The proof for one request; ``now`` is epoch seconds.

    A configured secret is read from the settings: there it may have been renewed since
    the login. Raises `RegistrationFailed` for a key nobody can sign with.
    """
    secret = _current_secret(client, settings)
    identity = {"client_id": client.client_id}
    match client.auth_method:
        case "client_secret_basic":
            return _basic(client.client_id, secret)
        case "client_secret_post":
            return Proof(
                parameters={**identity, "client_secret": secret}, secrets=(secret,)
            )
        case "private_key_jwt":
            assertion = sign_assertion(
                client, settings, provider=provider, now=now, new_token=new_token
            )
            signed = {
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": assertion,
            }
            return Proof(parameters=identity | signed, secrets=(assertion,))
        case _:
            return Proof(parameters=identity)


def _current_secret(client: Client, settings: OAuthSettings) -> str:
    ours = client.source == "configured" and client.client_id == settings.client_id
    return (settings.client_secret if ours else "") or client.client_secret


def _basic(client_id: str, secret: str) -> Proof:
    # Both parts are form-encoded first, so that a colon in either keeps them apart.
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    encoded = base64.b64encode(pair.encode()).decode()
    headers = {"authorization": f"Basic {encoded}"}
    return Proof(headers=headers, secrets=(secret, encoded))
