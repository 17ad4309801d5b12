"""What a token says, once its signature is good (pure)."""

import re
from collections.abc import Iterable, Mapping

import msgspec

from bridge.contract.principal import Principal
from bridge.identity.policy import TokenPolicy
from bridge.identity.refusal import Reason, TokenRefused

#: The last second of the year 9999: what lies beyond is a mistake or an attack, and
#: would overflow whatever turns it into a date.
MAX_TIME = 253_402_300_799

#: How providers spell the client (the standard's two first, then Okta, Entra v1).
CLIENT_CLAIMS = ("client_id", "azp", "cid", "appid")

#: Claims only ID tokens carry.
_ID_TOKEN_CLAIMS = frozenset({"at_hash", "c_hash", "s_hash"})
#: How Keycloak (``typ``) and Cognito (``token_use``) name what is no access token.
_OTHER_KINDS = frozenset({"refresh", "offline", "logout"})
_LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"

_TENANT = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_ENTRA = re.compile(
    rf"https://sts\.windows\.net/{_TENANT}/"
    rf"|https://login\.microsoftonline\.com/{_TENANT}/v2\.0"
)

Claims = Mapping[str, object]


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """A token that passed every check. ``expires_at`` is its ``exp``, epoch seconds."""

    principal: Principal
    scopes: frozenset[str]
    expires_at: float
    claims: Claims

    def __repr__(self) -> str:
        return f"Verified(expires_at={self.expires_at!r})"


def judge_claims(
    claims: Claims, policy: TokenPolicy, *, exact_issuer: str | None, now: float
) -> Verified:
    """Hold claims against the policy. Raises `TokenRefused`; scopes are not judged."""
    issuer = _judge_issuer(claims, policy, exact_issuer)
    _judge_audience(claims.get("aud"), policy.audiences)
    expires_at = _judge_times(claims, policy.leeway, now)
    _judge_kind(claims, allow_id_tokens=policy.allow_id_tokens)
    return Verified(
        principal=_principal(claims, issuer),
        scopes=scopes_of(claims),
        expires_at=expires_at,
        claims=claims,
    )


def scopes_of(claims: Claims) -> frozenset[str]:
    """The token's scopes: ``scope`` text, ``scp`` text or array, whichever are there.

    Anything else counts as no scope.
    """
    return frozenset(_words(claims.get("scope"))) | frozenset(_words(claims.get("scp")))


def _words(value: object) -> Iterable[str]:
    if isinstance(value, str):
        return [word for word in value.split(" ") if word]
    return _texts(value) or ()


def _texts(value: object) -> list[str] | None:
    """A list of texts and of nothing else; None for whatever it is instead."""
    try:
        return msgspec.convert(value, list[str])
    except msgspec.ValidationError:
        return None


def _judge_issuer(claims: Claims, policy: TokenPolicy, exact: str | None) -> str:
    issuer = claims.get("iss")
    if not isinstance(issuer, str):
        raise TokenRefused(Reason.ISSUER)
    if not policy.is_issuer(issuer, exact=exact):
        raise TokenRefused(Reason.ISSUER, _explain_entra(issuer, policy.issuer))
    return issuer


def _explain_entra(issuer: str, configured: str) -> str:
    """Name both issuers of the v1/v2 mix-up (D23); otherwise nothing.

    The token's is repeated only in a form that can hold nothing but a tenant's id.
    """
    if not _ENTRA.fullmatch(issuer) or not _ENTRA.fullmatch(configured):
        return ""
    return (
        f"the token's issuer is {issuer}, the configured one {configured}: set"
        " accessTokenAcceptedVersion in the app registration to the version"
        " of the configured issuer"
    )


def _judge_audience(value: object, audiences: frozenset[str]) -> None:
    held = [value] if isinstance(value, str) else _texts(value)
    if not held or audiences.isdisjoint(held):
        raise TokenRefused(Reason.AUDIENCE)


def _judge_times(claims: Claims, leeway: float, now: float) -> float:
    expires_at = _time(claims, "exp")
    if expires_at is None:
        raise TokenRefused(Reason.TIME)
    if now >= expires_at + leeway:
        raise TokenRefused(Reason.EXPIRED)
    for name, reason in (("nbf", Reason.NOT_YET), ("iat", Reason.FROM_FUTURE)):
        moment = _time(claims, name)
        if moment is not None and moment > now + leeway:
            raise TokenRefused(reason)
    return expires_at


def _time(claims: Claims, name: str) -> float | None:
    if name not in claims:
        return None
    value = claims[name]
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TokenRefused(Reason.TIME)
    if not 0 <= value <= MAX_TIME:  # holds for infinities too, before any conversion
        raise TokenRefused(Reason.TIME)
    return float(value)


def _judge_kind(claims: Claims, *, allow_id_tokens: bool) -> None:
    if "cnf" in claims:
        raise TokenRefused(Reason.BOUND)
    kinds = {_folded(claims.get("typ")), _folded(claims.get("token_use"))}
    if kinds & _OTHER_KINDS or _is_logout(claims.get("events")):
        raise TokenRefused(Reason.OTHER_KIND)
    looks_like_id = "id" in kinds or not _ID_TOKEN_CLAIMS.isdisjoint(claims)
    if looks_like_id and not allow_id_tokens:
        raise TokenRefused(Reason.ID_KIND)


def _folded(value: object) -> str:
    return value.lower() if isinstance(value, str) else ""


def _is_logout(events: object) -> bool:
    return isinstance(events, dict) and _LOGOUT_EVENT in events


def _principal(claims: Claims, issuer: str) -> Principal:
    subject = _identifier(claims, "sub")
    client = next(
        (name for key in CLIENT_CLAIMS if (name := _identifier(claims, key))), ""
    )
    if not subject and not client:
        raise TokenRefused(Reason.IDENTITY)
    return Principal(issuer=issuer, subject=subject, client=client)


def _identifier(claims: Claims, name: str) -> str:
    """A claim that names somebody; ``""`` when it is absent."""
    if name not in claims:
        return ""
    value = claims[name]
    if not isinstance(value, str) or not value or not value.isprintable():
        raise TokenRefused(Reason.IDENTITY)
    return value
