"""Client id metadata document: who we are, for providers that look instead of register.

Its address is the client id. It holds nothing that is not in every login request.
"""

import msgspec

from bridge.config.client_identity import CLIENT_NAME, client_metadata_url, redirect_uri
from bridge.config.model import BridgeConfig
from bridge.downstream.message import Response


class ClientMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """The document (names of RFC 7591)."""

    client_id: str
    client_uri: str
    redirect_uris: tuple[str, ...]
    client_name: str = CLIENT_NAME
    grant_types: tuple[str, ...] = ("authorization_code", "refresh_token")
    response_types: tuple[str, ...] = ("code",)
    token_endpoint_auth_method: str = "none"  # noqa: S105 - a native app has no secret
    application_type: str = "native"


def client_metadata(bridge: BridgeConfig) -> Response | None:
    """The page; None where no provider could fetch it."""
    client_id = client_metadata_url(bridge.public_url)
    if not client_id:
        return None
    hosts = ("127.0.0.1", "localhost")
    document = ClientMetadata(
        client_id=client_id,
        client_uri=bridge.public_url,
        redirect_uris=tuple(redirect_uri(host, bridge.oauth_port) for host in hosts),
    )
    return Response(
        status=200,
        headers=(
            ("content-type", "application/json"),
            ("cache-control", "max-age=300"),
        ),
        body=msgspec.json.encode(document),
    )
