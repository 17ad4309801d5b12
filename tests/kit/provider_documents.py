"""Metadata as five well-known identity providers publish it, at example hosts."""

from pathlib import Path

import msgspec

_DOCUMENTS = Path(__file__).parent.parent / "unit/oauth/fixtures"
#: What they are, and where they answer: Entra and Google know OpenID Connect only.
PROVIDERS = ("auth0", "entra", "google", "keycloak", "okta")
_SUFFIX = "/.well-known/openid-configuration"


def document(name: str) -> dict[str, object]:
    """The authorization server metadata of a provider."""
    body = (_DOCUMENTS / f"{name}.json").read_bytes()
    return msgspec.json.decode(body, type=dict[str, object])


def issuer(name: str) -> str:
    return str(document(name)["issuer"])


def address(name: str) -> str:
    """Where the provider publishes its metadata: appended, as OpenID Connect says."""
    return f"{issuer(name).removesuffix('/')}{_SUFFIX}"
