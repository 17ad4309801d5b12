"""Pure: from what was asked and answered to what it means."""

import base64
import binascii
from collections.abc import Iterator, Sequence

import msgspec

from bridge.cli.doctor.finding import Finding, failed, failure, ok, skipped
from bridge.cli.doctor.trail import Asked
from bridge.cli.knock import Knock
from bridge.cli.login_view import expiry
from bridge.errors import (
    AddressRefused,
    DiscoveryFailed,
    IssuerRefused,
    OAuthError,
    PkceUnsupported,
)
from bridge.oauth.address import shown_address
from bridge.oauth.challenge import bearer
from bridge.oauth.credential import Credential
from bridge.oauth.http import Step
from bridge.oauth.pkce import check_pkce
from bridge.oauth.provider import Client, Discovered
from bridge.oauth.settings import OAuthSettings

ANSWERS = "server answers"
RESOURCE = "protected resource metadata"
ISSUER = "issuer"
METADATA = "server metadata"
PKCE = "PKCE"
CLIENT = "client identity"
TOKEN = "stored token"  # noqa: S105 - the name of a step
ACCEPTED = "token accepted"

_FORBIDDEN = 403
_NOT_FOUND = 404
_SERVER_ERROR = 500
_SHOWN = 200  # letters of a foreign text


# --- the door ---


def door(found: Knock, *, transport: str | None, login: bool) -> Finding:
    """Whether a server answers somebody who shows no token of a login."""
    if found.status >= _SERVER_ERROR:
        return _unwell(found, "the server itself has failed", "look into its own log")
    if found.refused:
        return ok(ANSWERS, _refusal(found)) if login else _locked(found)
    if found.status >= 400 and transport != "websocket":  # noqa: PLR2004 - RFC 9110
        advice = "check `url` and `transport` of the server"
        return _unwell(found, "this is no address of an MCP server", advice)
    if login:
        return ok(ANSWERS, f"{found.status}, and asks for no token")
    return ok(ANSWERS, str(found.status))


def _refusal(found: Knock) -> str:
    said = bearer(found.challenge)
    if said.resource_metadata:
        where = shown_address(said.resource_metadata)
        return f"{found.status}, and names its metadata: {where}"
    named = "a challenge" if found.challenge else "no challenge (RFC 9110 wants one)"
    return f"{found.status} with {named} that names no metadata"


def _locked(found: Knock) -> Finding:
    return failed(
        ANSWERS,
        "the server wants credentials",
        asked=found.asked,
        answered=str(found.status),
        rule="RFC 9110 section 15.5: who is refused must bring other credentials",
        advice="set oauth.enabled: true, or the right `authentication` or `headers`",
    )


def _unwell(found: Knock, said: str, advice: str) -> Finding:
    return failed(
        ANSWERS, said, asked=found.asked, answered=str(found.status), advice=advice
    )


# --- discovery ---


def discovery(
    settings: OAuthSettings, trail: Sequence[Asked], outcome: Discovered | OAuthError
) -> Iterator[Finding]:
    """The three steps of `bridge.oauth.discovery.discover`."""
    if isinstance(outcome, Discovered):
        yield _resource_found(trail, outcome)
        yield _issuer(settings, outcome)
        yield _metadata_found(trail, outcome)
        return
    place = _place_of(outcome, trail)
    for step in (RESOURCE, ISSUER, METADATA):
        if step == place:
            yield failure(step, outcome)
        elif step == RESOURCE:
            yield _resource_seen(trail)
        else:
            yield skipped(step, "not known")


def _place_of(error: OAuthError, trail: Sequence[Asked]) -> str:
    if isinstance(error, IssuerRefused):
        return ISSUER
    asked_metadata = any(each.step is Step.SERVER_METADATA for each in trail)
    if isinstance(error, DiscoveryFailed | AddressRefused) or asked_metadata:
        return METADATA
    return RESOURCE


def _resource_found(trail: Sequence[Asked], found: Discovered) -> Finding:
    if found.provider.source == "configured":
        return ok(RESOURCE, "not asked: the endpoints are configured")
    return _resource_seen(trail)


def _resource_seen(trail: Sequence[Asked]) -> Finding:
    at = [e.url for e in trail if e.step is Step.RESOURCE_METADATA and e.found]
    if at:
        return ok(RESOURCE, at[-1])
    return ok(RESOURCE, "none, as servers of 2025-03-26 have none")


def _issuer(settings: OAuthSettings, found: Discovered) -> Finding:
    issuer = found.provider.issuer
    if not settings.issuer:
        return ok(ISSUER, f"{issuer}, as discovered; set oauth.issuer to pin it")
    if issuer.rstrip("/") == settings.issuer.rstrip("/"):
        pinned = "; pinned" if settings.pin_issuer else ""
        return ok(ISSUER, f"{issuer}, as configured{pinned}")
    return ok(ISSUER, f"{issuer}, not the configured one (oauth.pin_issuer is off)")


def _metadata_found(trail: Sequence[Asked], found: Discovered) -> Finding:
    match found.provider.source:
        case "configured":
            return ok(METADATA, "not asked: the endpoints are configured")
        case "defaults":
            said = "none: the default paths of 2025-03-26 are used"
            return ok(METADATA, said)
        case "metadata":
            at = [e.url for e in trail if e.step is Step.SERVER_METADATA and e.found]
            return ok(METADATA, at[-1] if at else found.provider.issuer)


# --- who we are ---


def pkce(settings: OAuthSettings, found: Discovered) -> Finding | None:
    """None where the grant has no authorization request."""
    if settings.grant != "authorization_code":
        return None
    try:
        advertised = check_pkce(found.provider, settings)
    except PkceUnsupported as error:
        return failure(PKCE, error)
    return ok(PKCE, "S256" if advertised else "not advertised; S256 is used")


def client(known: Client | None, found: Discovered) -> Finding:
    """``known`` None: none yet, and a login would register one."""
    if known is None:
        where = shown_address(found.provider.registration_endpoint)
        if found.provider.source == "defaults":
            return skipped(
                CLIENT,
                f"nothing says whether one can register at {where}; "
                "--register tries it",
            )
        return ok(CLIENT, f"none yet; the first login registers one at {where}")
    sources = {
        "configured": "as configured",
        "metadata_document": "our metadata document",
        "registered": "as registered",
    }
    said = f"{_bounded(known.client_id)}, {sources[known.source]}"
    proof = "no secret" if known.auth_method == "none" else known.auth_method
    return ok(CLIENT, f"{said}; {proof}{_comes_back_to(known)}")


def _comes_back_to(known: Client) -> str:
    """A provider shows its own error page for an address it was not told."""
    if known.source != "configured" or not known.redirect_uri:
        return ""
    return f"; its redirect address at the provider must be {known.redirect_uri}"


# --- the token ---


def token(
    name: str,
    held: Credential | None,
    found: Discovered | None,
    *,
    now: float,
    trouble: str = "",
) -> Finding:
    """Whether there is a token, of this provider, for this server, and not over.

    ``trouble``: why the store cannot be read.
    """
    log_in, anew = (f"run `bridge oauth login {name}{x}`" for x in ("", " --force"))
    if trouble:
        return failed(TOKEN, trouble)
    if held is None:
        return failed(TOKEN, "none", advice=log_in)
    if found is not None and (misfit := _misfit(held, found)):
        return failed(TOKEN, misfit, rule=_FIT, advice=anew)
    ends = held.tokens.expires_at
    if ends is None or ends > now:
        until = "no end was said" if ends is None else f"until {expiry(ends)}"
        kept = "can" if held.tokens.refresh_token else "cannot"
        return ok(TOKEN, f"{until}; it {kept} be refreshed")
    if held.tokens.refresh_token:
        advice = f"start the bridge, which refreshes it, or {log_in}"
    else:
        advice = log_in
    return failed(TOKEN, f"expired at {expiry(ends)}", advice=advice)


_FIT = "a token is used only with the issuer and the resource it was given for"


def _misfit(held: Credential, found: Discovered) -> str:
    issuer = found.provider.issuer
    if held.issuer and held.issuer != issuer:
        return f"it is of the issuer {held.issuer}, the server now names {issuer}"
    if held.resource and held.resource != found.resource:
        return f"it is for {held.resource}, the server is {found.resource}"
    return ""


def accepted(
    name: str, held: Credential, answer: Knock, found: Discovered | None
) -> Finding:
    """What the server says to the token."""
    if not answer.refused:
        return ok(ACCEPTED, str(answer.status))
    said = bearer(answer.challenge)
    words = ", ".join(filter(None, (said.error, _bounded(said.error_description))))
    return failed(
        ACCEPTED,
        "the server refuses the token",
        asked=answer.asked,
        answered=f"{answer.status}" + (f" ({words})" if words else ""),
        rule="RFC 8707, RFC 9068: a token is for the audience of its server",
        advice=_about_refused(name, held, answer, found=found),
    )


def _about_refused(
    name: str, held: Credential, answer: Knock, *, found: Discovered | None
) -> str:
    if answer.status == _FORBIDDEN:
        return f"set oauth.scopes to what it wants, then `bridge oauth login {name}`"
    named = audience_of(held.tokens.access_token)
    wanted = found.resource if found is not None else held.resource
    if named and wanted not in named:
        audiences = ", ".join(map(_bounded, named))
        return (
            f"the token names the audience {audiences}, the server is {wanted}: have "
            "the provider honour `resource`, or set oauth.additional_params.audience"
        )
    return f"run `bridge oauth login {name} --force`; see also the log of the server"


class _Claims(msgspec.Struct):
    aud: str | list[str] = ""


def audience_of(access_token: str) -> tuple[str, ...]:
    """The audience of a JWT, which nobody has verified here; empty for any other."""
    parts = access_token.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - RFC 7515: header, payload, signature
        return ()
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        said = msgspec.json.decode(base64.urlsafe_b64decode(padded), type=_Claims).aud
    except (binascii.Error, ValueError):
        return ()
    return tuple(said) if isinstance(said, list) else tuple(filter(None, [said]))


def _bounded(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
