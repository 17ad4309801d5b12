"""Token families of a simulated provider: access tokens, rotation, reuse."""

import base64
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import OKPKey

from kit.issuer import SigningKey, mint
from kit.provider_clients import KnownClient
from kit.provider_http import Answer, json_answer
from kit.provider_rules import OAuthRefusal, ProviderCore


class AccessToken(msgspec.Struct, kw_only=True):
    """An access token and what it is good for."""

    value: str
    family: int
    client_id: str
    resource: str
    scope: tuple[str, ...]
    expires_at: float
    revoked: bool = False


class RefreshToken(msgspec.Struct, kw_only=True):
    """A refresh token. ``delivered``: the answer to its use reached the client."""

    value: str
    family: int
    expires_at: float | None
    used_at: float | None = None
    delivered: bool = False
    told: bool = False  # that it is dead


class Family(msgspec.Struct, kw_only=True):
    """What one login gave: everything that descends from one grant (RFC 9700)."""

    number: int
    client_id: str
    resource: str
    scope: tuple[str, ...]
    revoked: bool = False
    in_flight: int = 0


class TokenDesk:
    """Issues tokens and knows every one it ever issued."""

    def __init__(self, core: ProviderCore) -> None:
        self._core = core
        self.families: list[Family] = []
        self.access: dict[str, AccessToken] = {}
        self.refresh: dict[str, RefreshToken] = {}
        #: Those that are published; the newest signs.
        self.keys = [_key(core.rng.randbytes(32))]

    # --- what tests do to it ---

    def revoke_family(self, number: int) -> None:
        """A login ends: its refresh tokens and access tokens are worth nothing."""
        self.families[number].revoked = True
        for token in self.access.values():
            token.revoked = token.revoked or token.family == number

    def revoke_everything(self) -> None:
        for family in self.families:
            self.revoke_family(family.number)

    def rotate_key(self) -> None:
        """Sign with a new key; the old ones stay published."""
        self.keys.append(_key(self._core.rng.randbytes(32)))

    def reject_access(self) -> None:
        """Every access token of now is refused from now on; refresh tokens live."""
        for token in self.access.values():
            token.revoked = True

    # --- issuing ---

    def start_family(
        self, client: KnownClient, *, resource: str, scope: tuple[str, ...]
    ) -> Family:
        family = Family(
            number=len(self.families),
            client_id=client.client_id,
            resource=resource,
            scope=scope,
        )
        self.families.append(family)
        return family

    def answer(
        self, family: Family, *, scope: tuple[str, ...], with_refresh: bool = True
    ) -> dict[str, object]:
        """A token answer (RFC 6749 section 5.1)."""
        rules = self._core.rules
        access = self._issue_access(family, scope)
        members: dict[str, object] = {"access_token": access, "token_type": "Bearer"}
        if rules.says_expires_in:
            members["expires_in"] = int(rules.access_lifetime)
        if rules.says_scope and scope:
            members["scope"] = " ".join(scope)
        if with_refresh and self._may_refresh(family):
            members["refresh_token"] = self._issue_refresh(family)
        return members

    def _may_refresh(self, family: Family) -> bool:
        rules = self._core.rules
        offline = "offline_access" in family.scope
        return rules.refresh_tokens and (
            offline or not rules.refresh_needs_offline_access
        )

    def _issue_access(self, family: Family, scope: tuple[str, ...]) -> str:
        ends = self._core.now() + self._core.rules.access_lifetime
        token = AccessToken(
            value="",
            family=family.number,
            client_id=family.client_id,
            resource=family.resource,
            scope=scope,
            expires_at=ends,
        )
        jwt = self._core.rules.access_tokens == "jwt"
        token.value = self._jwt(token) if jwt else self._core.secret("access")
        self.access[token.value] = token
        return token.value

    def _jwt(self, token: AccessToken) -> str:
        """RFC 9068."""
        now = self._core.now()
        claims = {
            "iss": self._core.issuer,
            "aud": token.resource,
            "sub": "person",
            "client_id": token.client_id,
            "iat": int(now),
            "exp": int(token.expires_at),
            "jti": self._core.secret("jti"),
            "scope": " ".join(token.scope),
        }
        return mint(self.keys[-1], claims, header={"typ": "at+jwt", "alg": "Ed25519"})

    def _issue_refresh(self, family: Family) -> str:
        lifetime = self._core.rules.refresh_lifetime
        ends = None if lifetime is None else self._core.now() + lifetime
        value = self._core.secret("refresh")
        self.refresh[value] = RefreshToken(
            value=value, family=family.number, expires_at=ends
        )
        return value

    # --- refreshing (RFC 6749 section 6, RFC 9700 section 4.14) ---

    @contextmanager
    def in_flight(self, value: str) -> Generator[None]:
        """While a refresh is asked for: two at once of a family break a rule."""
        token = self.refresh.get(value)
        if token is None:
            yield
            return
        family = self.families[token.family]
        family.in_flight += 1
        if family.in_flight > 1:
            self._core.breaches.note("refresh.twice", "two refreshes at once")
        try:
            yield
        finally:
            family.in_flight -= 1

    def renew(
        self,
        value: str,
        client: KnownClient,
        *,
        scope: tuple[str, ...] | None,
        resource: str,
    ) -> Answer:
        """The answer to a refresh. Raises ``invalid_grant``."""
        token, family = self._usable(value, client, resource=resource)
        wanted = family.scope if scope is None else scope
        if not set(wanted) <= set(family.scope):
            raise self._core.refuse("refresh.wider_scope", error="invalid_scope")
        self._count(token, family)
        rotation = self._core.rules.rotation
        if self._core.rules.access_dies_on_refresh:
            self._end_access(family)
        answer = json_answer(self.answer(family, scope=wanted, with_refresh=rotation))
        if rotation:
            token.used_at = self._core.now() if token.used_at is None else token.used_at
            token.delivered = True
            answer.lost = lambda: _lose(token)
        return answer

    def _count(self, token: RefreshToken, family: Family) -> None:
        counts = self._core.counts
        counts.refreshes += 1
        counts.refreshes_of[family.number] += 1
        counts.graced += token.used_at is not None

    def _usable(
        self, value: str, client: KnownClient, *, resource: str
    ) -> tuple[RefreshToken, Family]:
        core = self._core
        token = self.refresh.get(value)
        if token is None:
            raise core.refuse("refresh.foreign", error="invalid_grant")
        family = self.families[token.family]
        if family.client_id != client.client_id:
            raise core.refuse("refresh.client", error="invalid_grant")
        if core.rules.resource_required and not resource:
            raise core.refuse("resource.missing", error="invalid_target")
        if resource and resource != family.resource:
            raise core.refuse("resource.other", resource, error="invalid_target")
        self._check_alive(token, family)
        return token, family

    def _check_alive(self, token: RefreshToken, family: Family) -> None:
        core, now = self._core, self._core.now()
        over = token.used_at is not None and now > token.used_at + core.rules.grace
        if over and not family.revoked:
            self.revoke_family(family.number)
            if token.delivered:
                core.breaches.note("refresh.reused", "its successor was delivered")
        expired = token.expires_at is not None and now >= token.expires_at
        if over or expired or family.revoked:
            if token.told:
                core.breaches.note("refresh.hopeless", "it was told before")
            token.told = True
            raise OAuthRefusal("invalid_grant")

    def _end_access(self, family: Family) -> None:
        for token in self.access.values():
            token.revoked = token.revoked or token.family == family.number

    # --- revocation (RFC 7009) ---

    def revoke(self, value: str, client: KnownClient) -> Answer:
        """200 whatever the token; the token of another client breaks a rule."""
        token = self.refresh.get(value) or self.access.get(value)
        if token is None:
            self._core.breaches.note("revocation.foreign")
            return Answer()
        if self.families[token.family].client_id != client.client_id:
            raise self._core.refuse("revocation.client", error="invalid_grant")
        self._core.counts.revocations += 1
        if isinstance(token, AccessToken):
            token.revoked = True
        else:
            self.revoke_family(token.family)
        return Answer()

    def accepts(self, token: AccessToken) -> bool:
        """Not expired, not revoked."""
        return not token.revoked and self._core.now() < token.expires_at


def _lose(token: RefreshToken) -> None:
    token.delivered = False


def _key(seed: bytes) -> SigningKey:
    """A key of this seed: its signatures repeat (RFC 8032)."""
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public = private.public_key().public_bytes_raw()
    jwk: dict[str, Any] = {
        "kty": "OKP",
        "crv": "Ed25519",
        "d": _base64url(seed),
        "x": _base64url(public),
    }
    return SigningKey(f"key-{seed[:4].hex()}", "Ed25519", OKPKey.import_key(jwk))


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
