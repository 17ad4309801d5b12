"""What the configuration of one upstream says about OAuth, as this room needs it."""

from collections.abc import Mapping
from typing import Literal

import msgspec

Grant = Literal["authorization_code", "client_credentials", "device_code"]
AuthMethod = Literal[
    "none", "client_secret_basic", "client_secret_post", "private_key_jwt"
]


class OAuthSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One upstream's settings; empty texts are unset. ``repr`` shows no secret."""

    name: str  # of the upstream
    server_url: str  # http(s); ws(s) is written as http(s) here
    grant: Grant = "authorization_code"
    issuer: str = ""
    pin_issuer: bool = True
    client_id: str = ""
    client_secret: str = ""
    auth_method: AuthMethod | None = None  # None: what server and client agree on
    private_key: str = ""  # PEM, for private_key_jwt
    key_id: str = ""
    signing_algorithm: str = ""  # empty: what fits the key (ES256, RS256, ...)
    client_metadata_url: str = ""
    client_name: str = ""
    client_uri: str = ""
    scopes: tuple[str, ...] = ()
    additional_params: Mapping[str, str] = {}
    authorization_url: str = ""
    token_url: str = ""
    registration_url: str = ""
    allow_unadvertised_pkce: bool = False
    redirect_uri: str = ""  # exact; empty where the grant has none

    def __repr__(self) -> str:
        return f"OAuthSettings({self.name!r})"
