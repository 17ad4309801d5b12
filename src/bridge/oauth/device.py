"""The device grant: a person logs in on any device, and we ask until then (RFC 8628).

The caller shows the code, waits ``interval`` seconds before each `poll`, and takes over
the interval a poll returns (``msgspec.structs.replace(code, interval=...)``).
"""

import re
from collections.abc import Callable

import msgspec

from bridge.errors import LoginFailed, ProviderUnavailable
from bridge.oauth.address import for_browser
from bridge.oauth.answer import Refusal, is_secret, text_of
from bridge.oauth.authorization import resource_of
from bridge.oauth.caller import Caller
from bridge.oauth.credential import TokenSet
from bridge.oauth.http import Step, Steps
from bridge.oauth.provider import Client, Discovered
from bridge.oauth.settings import OAuthSettings
from bridge.oauth.token import extended, lifetime, refused, token_set

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_INTERVAL = 5.0  # s, where the server names none (section 3.2)
_INTERVAL_FLOOR, _INTERVAL_LIMIT = 1.0, 300.0  # s
_SLOWER = 5.0  # s, section 3.5
_LIFE = 600.0  # s, where the server, against the standard, names none
_LIFE_LIMIT = 1_800.0  # s; nobody waits longer than half an hour
_USER_CODE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,62}[\x21-\x7e])?")
_ENDED = {
    "access_denied": (
        "the login was refused at the provider",
        "log in again and allow it, as somebody who may",
    ),
    "expired_token": ("the code expired before anybody used it", "log in again"),
}


class DeviceCode(msgspec.Struct, frozen=True, kw_only=True):
    """What a person types where. ``repr`` shows no code.

    ``expires_at``: epoch seconds. ``interval``: seconds to wait before each `poll`.
    Both addresses are fit for a browser; the complete one may be empty.
    """

    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str = ""
    expires_at: float
    interval: float = _INTERVAL
    scope: str = ""  # as asked for

    def __repr__(self) -> str:
        return f"DeviceCode(at {self.verification_uri!r})"


def ask(
    settings: OAuthSettings,
    discovered: Discovered,
    client: Client,
    *,
    scopes: tuple[str, ...],
    now_of: Callable[[], float],
    new_token: Callable[[int], str],
) -> Steps[DeviceCode]:
    """Ask for a code to show.

    Raises `LoginFailed` (no such endpoint, or an answer without a usable code),
    `AddressRefused` (also for an address to show that no browser may open), and what
    `bridge.oauth.token.exchange` raises.
    """
    caller = Caller(
        client=client,
        provider=discovered.provider,
        settings=settings,
        now_of=now_of,
        new_token=new_token,
    )
    scope = " ".join(scopes)
    parameters = {
        "scope": scope,
        "resource": resource_of(settings, discovered.resource),
    }
    members = yield from caller.ask(
        Step.DEVICE, _endpoint(caller), parameters=extended(settings, parameters)
    )
    if isinstance(members, Refusal):
        raise refused(members, caller)
    return _device_code(members, now=now_of(), scope=scope)


def _endpoint(caller: Caller) -> str:
    if endpoint := caller.provider.device_authorization_endpoint:
        return endpoint
    raise LoginFailed(
        f"{caller.provider.issuer} does not offer the device grant",
        rule="RFC 8628 section 4: the metadata names device_authorization_endpoint",
        advice=f"set another oauth.grant of server '{caller.settings.name}'",
    )


def _device_code(members: dict[str, object], *, now: float, scope: str) -> DeviceCode:
    device_code = text_of(members, "device_code")
    user_code = text_of(members, "user_code")
    # Google's endpoint is older than the standard and says verification_url.
    shown = text_of(members, "verification_uri") or text_of(members, "verification_url")
    if not (is_secret(device_code) and _USER_CODE.fullmatch(user_code) and shown):
        raise LoginFailed(
            "the device authorization answer holds no usable code",
            rule="RFC 8628 section 3.2: device_code, user_code and verification_uri",
            advice="have the provider's device endpoint checked, or use another grant",
        )
    complete = text_of(members, "verification_uri_complete")
    interval = lifetime(members.get("interval")) or _INTERVAL
    life = lifetime(members.get("expires_in")) or _LIFE
    return DeviceCode(
        device_code=device_code,
        user_code=user_code,
        verification_uri=for_browser(shown),
        verification_uri_complete=for_browser(complete) if complete else "",
        expires_at=now + min(life, _LIFE_LIMIT),
        interval=min(max(interval, _INTERVAL_FLOOR), _INTERVAL_LIMIT),
        scope=scope,
    )


def poll(
    code: DeviceCode,
    settings: OAuthSettings,
    discovered: Discovered,
    client: Client,
    *,
    now_of: Callable[[], float],
    new_token: Callable[[int], str],
) -> Steps[TokenSet | float]:
    """Ask once whether the person is done. A float: no; the interval to go on with.

    A server that does not answer is asked again, half as often, until the code expires
    (section 3.5). Raises `LoginFailed` (denied, expired), `GrantRefused`,
    `ProviderUnavailable` (an error of no known meaning: section 3.5 wants an end),
    `TokenAnswerInvalid`, `AddressRefused`.
    """
    if now_of() >= code.expires_at:
        raise _ended("expired_token", asked="", answered="")
    caller = Caller(
        client=client,
        provider=discovered.provider,
        settings=settings,
        now_of=now_of,
        new_token=new_token,
    )
    parameters = {
        "grant_type": GRANT,
        "device_code": code.device_code,
        "resource": resource_of(settings, discovered.resource),
    }
    try:
        outcome = yield from caller.ask(
            Step.TOKEN, discovered.provider.token_endpoint, parameters=parameters
        )
    except ProviderUnavailable as trouble:
        slower = max(code.interval * 2, trouble.retry_after or 0.0)
        return min(slower, _INTERVAL_LIMIT)
    if isinstance(outcome, Refusal):
        return _go_on(code, outcome, caller=caller)
    return token_set(outcome, caller=caller, scope=code.scope)


def _go_on(code: DeviceCode, refusal: Refusal, *, caller: Caller) -> float:
    """The interval to go on with; raises when there is nothing to wait for."""
    match refusal.error:
        case "authorization_pending":
            return code.interval
        case "slow_down":
            return min(code.interval + _SLOWER, _INTERVAL_LIMIT)
        case "access_denied" | "expired_token":
            raise _ended(refusal.error, asked=refusal.asked, answered=refusal.answered)
        case _:
            raise refused(refusal, caller)


def _ended(error: str, *, asked: str, answered: str) -> LoginFailed:
    reason, advice = _ENDED[error]
    return LoginFailed(reason, asked=asked, answered=answered, advice=advice)
