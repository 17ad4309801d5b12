"""Endpoints that the configuration names, in the place of discovered ones (R78)."""

import msgspec

from bridge.oauth.address import check_endpoint, for_browser, origin_of
from bridge.oauth.provider import Provider
from bridge.oauth.settings import OAuthSettings


def configured(settings: OAuthSettings) -> Provider | None:
    """The configured endpoints as a provider, where they are all the grant needs.

    The device grant has an endpoint that has no setting. Whose they are without an
    ``issuer`` nobody says: their origin stands for it.
    """
    authorization, token = settings.authorization_url, settings.token_url
    if settings.grant == "device_code" or not token:
        return None
    if settings.grant == "authorization_code" and not authorization:
        return None
    issuer = settings.issuer or origin_of(authorization or token)
    provider = Provider(issuer=issuer, token_endpoint=token, source="configured")
    return with_configured(provider, settings)


def with_configured(provider: Provider, settings: OAuthSettings) -> Provider:
    """With what is configured in the place of what was found.

    Raises `AddressRefused`.
    """
    given = {
        "token_endpoint": settings.token_url,
        "registration_endpoint": settings.registration_url,
    }
    changes = {
        name: check_endpoint(url, what=name) for name, url in given.items() if url
    }
    if settings.authorization_url:
        changes["authorization_endpoint"] = for_browser(settings.authorization_url)
    return msgspec.structs.replace(provider, **changes)
