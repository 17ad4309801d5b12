"""The device authorization endpoint of a simulated provider (RFC 8628)."""

import msgspec

from kit.provider_authorization import check_resource, check_scope
from kit.provider_clients import ClientDesk, KnownClient
from kit.provider_http import Answer, form_of, json_answer
from kit.provider_rules import OAuthRefusal, ProviderCore
from kit.scripted_http import Asked

#: Latency may bring two polls nearer than they were sent.
_NEARER = 0.1
#: RFC 8628 section 3.5: what a slow_down adds to the interval.
_SLOWER = 5.0


class DeviceLogin(msgspec.Struct, kw_only=True):
    """A login that waits for a person on another device."""

    device_code: str
    user_code: str
    client_id: str
    resource: str
    scope: tuple[str, ...]
    expires_at: float
    interval: float
    decision: str = ""  # "", "allow", "deny"
    polled_at: float | None = None
    over: bool = False  # exchanged, denied or expired, and the client was told


class DeviceDesk:
    """Gives device codes; ``approve`` and ``deny`` are the person's."""

    def __init__(self, core: ProviderCore, clients: ClientDesk) -> None:
        self._core = core
        self._clients = clients
        self.logins: list[DeviceLogin] = []
        self._slow_downs = 0

    def approve(self, user_code: str) -> None:
        self._of_user(user_code).decision = "allow"

    def deny(self, user_code: str) -> None:
        self._of_user(user_code).decision = "deny"

    def slow_down(self, times: int = 1) -> None:
        """Ask the next polls to come more slowly."""
        self._slow_downs += times

    def _of_user(self, user_code: str) -> DeviceLogin:
        return next(each for each in self.logins if each.user_code == user_code)

    def start(self, asked: Asked) -> Answer:
        """RFC 8628 section 3.1."""
        rules = self._core.rules
        form = form_of(self._core, asked)
        client = self._clients.authenticate(asked, form)
        check_resource(self._core, form.get("resource", ""))
        scope = tuple(form.get("scope", "").split())
        check_scope(self._core, scope)
        login = DeviceLogin(
            device_code=self._core.secret("device"),
            user_code=f"{self._core.rng.getrandbits(32):08X}",
            client_id=client.client_id,
            resource=form.get("resource", ""),
            scope=scope,
            expires_at=self._core.now() + rules.device_lifetime,
            interval=rules.device_interval,
        )
        self.logins.append(login)
        page = f"{self._core.issuer}/activate"
        return json_answer(
            {
                "device_code": login.device_code,
                "user_code": login.user_code,
                "verification_uri": page,
                "verification_uri_complete": f"{page}?user_code={login.user_code}",
                "expires_in": int(rules.device_lifetime),
                "interval": int(rules.device_interval),
            }
        )

    def poll(self, device_code: str, client: KnownClient) -> DeviceLogin:
        """The login, approved. Raises what RFC 8628 section 3.5 says."""
        core = self._core
        core.counts.device_polls += 1
        found = [each for each in self.logins if each.device_code == device_code]
        if not found or found[0].client_id != client.client_id:
            raise core.refuse("device.foreign", error="invalid_grant")
        login = found[0]
        if login.over:
            raise core.refuse("device.over", error="invalid_grant")
        self._pace(login)
        login.over = bool(login.decision) or core.now() >= login.expires_at
        if core.now() >= login.expires_at:
            raise OAuthRefusal("expired_token")
        if login.decision == "deny":
            raise OAuthRefusal("access_denied")
        if not login.decision:
            raise OAuthRefusal("authorization_pending")
        return login

    def _pace(self, login: DeviceLogin) -> None:
        now, before = self._core.now(), login.polled_at
        login.polled_at = now
        early = before is not None and now < before + login.interval - _NEARER
        if early:
            self._core.breaches.note("device.early", f"interval {login.interval:g} s")
        if early or self._slow_downs:
            self._slow_downs -= not early
            login.interval += _SLOWER
            raise OAuthRefusal("slow_down")
