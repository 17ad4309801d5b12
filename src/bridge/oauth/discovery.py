"""Who gives the tokens of an upstream: a walk over addresses, in a fixed order.

1. Configured endpoints: nothing is asked.
2. Protected resource metadata (RFC 9728): the challenge's address, inserted, root.
3. It names authorization servers: their metadata (RFC 8414, OpenID Connect).
4. It is absent or names none (2025-03-26): metadata at the server's own addresses. One
   that is of the address it was found at is used. One that names another issuer is
   only a hint, as the guide's example shows: it has no more weight than
   ``authorization_servers`` would have, and that issuer's own metadata decides.
5. The configured issuer.
6. Without one, and with nothing refused: the default paths of 2025-03-26 (D6).

A document of another issuer or resource is never used (R72); a configured issuer is
a pin (R74). Only GETs, no token, each address once, a bounded number (R76).
"""

from collections.abc import Iterable

from bridge.errors import (
    AddressRefused,
    DiscoveryFailed,
    IssuerRefused,
    OAuthError,
    ProviderUnavailable,
)
from bridge.loopback import is_loopback
from bridge.oauth.address import (
    canonical_resource,
    check_endpoint,
    host_of,
    origin_of,
    shown_address,
)
from bridge.oauth.challenge import BearerChallenge
from bridge.oauth.configured import configured, with_configured
from bridge.oauth.http import Step, Steps
from bridge.oauth.inquiry import Inquiry, TooManyAddresses
from bridge.oauth.metadata import (
    Document,
    IssuerDiffers,
    MetadataRefused,
    NotMetadata,
    ResourceMetadata,
    check_issuer,
    issuer_of,
    read_resource_metadata,
    read_server_metadata,
)
from bridge.oauth.provider import Discovered, Provider
from bridge.oauth.settings import OAuthSettings
from bridge.oauth.wellknown import (
    own_metadata_urls,
    resource_metadata_urls,
    server_metadata_urls,
)

_PIN_RULE = "a configured issuer pins the authorization server"
_ADVICE = "set `issuer`, or `authorization_url` and `token_url`, under `oauth`"


def discover(settings: OAuthSettings, challenge: BearerChallenge) -> Steps[Discovered]:
    """Find the authorization server of an upstream.

    Raises `DiscoveryFailed`, `IssuerRefused`, `AddressRefused`, and
    `ProviderUnavailable` when the answer may be another one later.
    """
    server = canonical_resource(settings.server_url)
    check_endpoint(server, what="server address")  # R104
    if provider := configured(settings):
        return Discovered(provider=provider, resource=_resource(settings, server))
    walk = _Walk(settings, server)
    try:
        said = yield from walk.resource_metadata(challenge)
        provider = yield from walk.provider(said)
    except TooManyAddresses:
        raise nothing_found(settings, walk.tried) from None
    return Discovered(
        provider=_complete(provider, settings, walk.tried),
        resource=_resource(settings, said.resource if said else server),
        resource_scopes=said.scopes_supported if said else None,
        tried=walk.tried,
    )


def nothing_found(settings: OAuthSettings, tried: tuple[str, ...]) -> DiscoveryFailed:
    """The error of R73; also for when registration at the default paths fails (D6)."""
    if settings.issuer:
        issuer = shown_address(settings.issuer)
        public = f"OAuth discovery failed, also at the configured issuer {issuer}"
    else:
        public = (
            f"No issuer configured and discovery failed for server '{settings.name}'"
        )
    return DiscoveryFailed(
        public,
        tried=tried,
        asked="metadata of the authorization server",
        answered=", ".join(tried),
        rule="a protected server names its authorization server (RFC 9728, RFC 8414)",
        advice=_ADVICE,
    )


def _resource(settings: OAuthSettings, found: str) -> str:
    return settings.additional_params.get("resource") or found  # R91


def _complete(
    provider: Provider, settings: OAuthSettings, tried: tuple[str, ...]
) -> Provider:
    provider = with_configured(provider, settings)
    if settings.grant == "authorization_code" and not provider.authorization_endpoint:
        issuer = shown_address(provider.issuer)
        raise DiscoveryFailed(
            f"the metadata of {issuer} names no authorization_endpoint to log in at",
            tried=tried,
            rule="RFC 8414 section 2 requires it for this grant",
            advice=_ADVICE,
        )
    return provider


def _spellings(issuer: str) -> frozenset[str]:
    """An issuer as it is named elsewhere than in its own metadata: by people, by an
    address, by a protected resource. All of them get the last slash wrong (D21, ADR 9);
    what counts from then on is the spelling of the metadata.
    """
    bare = issuer.removesuffix("/")
    return frozenset({bare, f"{bare}/"})


class _Walk:
    """One discovery: what was asked, and the first reasons not to guess on."""

    def __init__(self, settings: OAuthSettings, server: str) -> None:
        self._settings = settings
        self._server = server
        self._own = _spellings(settings.issuer) if settings.issuer else frozenset[str]()
        self._pinned = settings.pin_issuer and bool(settings.issuer)
        self._inquiry = Inquiry()
        self._refused: OAuthError | None = None
        self._unavailable: ProviderUnavailable | None = None

    @property
    def tried(self) -> tuple[str, ...]:
        return self._inquiry.tried

    # --- the protected resource

    def resource_metadata(
        self, challenge: BearerChallenge
    ) -> Steps[ResourceMetadata | None]:
        """What the upstream says of itself; None: nothing that may be used."""
        if url := challenge.resource_metadata:
            said = yield from self._challenged(url)
            if said:
                return said
        for url in resource_metadata_urls(self._server):
            said = yield from self._resource_at(url)
            if said:
                return said
        return None

    def _challenged(self, url: str) -> Steps[ResourceMetadata | None]:
        """The address comes from the network: refusing it is no reason to stop."""
        try:
            url = check_endpoint(url, what="resource_metadata of the challenge")
            return (yield from self._resource_at(url))
        except AddressRefused as refused:
            why = refused.public.partition(" is refused: ")[2]
            self._inquiry.judge(url, f"refused: {why}")
            return None

    def _resource_at(self, url: str) -> Steps[ResourceMetadata | None]:
        document = yield from self._inquiry.document(Step.RESOURCE_METADATA, url)
        if document is None:
            return None
        try:
            return read_resource_metadata(document, server=self._server)
        except NotMetadata as absent:
            self._inquiry.judge(url, f"200, {absent}")
        except MetadataRefused as refused:
            self._refuse(url, refused)
        return None

    # --- its authorization server

    def provider(self, said: ResourceMetadata | None) -> Steps[Provider]:
        """The one to use, else the error that explains why there is none."""
        advertised = said.authorization_servers if said else ()
        if advertised:
            found = yield from self._first_of(self._chosen(advertised))
        elif said or not self._refused:
            found = yield from self._at_own_addresses()
        else:
            found = None  # it has metadata, which lies: guessing would follow the lie
        if found is None and self._settings.issuer:
            found = yield from self._at_issuer(self._settings.issuer)
        return found or self._default(guess=not advertised)

    def _chosen(self, advertised: tuple[str, ...]) -> tuple[str, ...]:
        """Those to ask, the configured one first. Raises `IssuerRefused` (R74)."""
        wanted = tuple(issuer for issuer in advertised if issuer in self._own)
        if self._pinned:
            if not wanted:
                raise self._not_pinned(advertised)
            return wanted
        return tuple(dict.fromkeys((*wanted, *advertised)))

    def _not_pinned(self, advertised: Iterable[str]) -> IssuerRefused:
        named = ", ".join(shown_address(issuer) for issuer in advertised)
        configured = shown_address(self._settings.issuer)
        return IssuerRefused(
            f"server '{self._settings.name}' names the authorization server {named}, "
            f"not the configured issuer {configured}",
            asked=shown_address(self._server),
            answered=named,
            rule=_PIN_RULE,
            advice="if the change is meant, set `issuer` to the new one, or remove it",
        )

    def _first_of(self, issuers: Iterable[str]) -> Steps[Provider | None]:
        for issuer in issuers:
            found = yield from self._at_issuer(issuer)
            if found:
                return found
        return None

    def _at_issuer(self, issuer: str) -> Steps[Provider | None]:
        """By the issuer's own metadata. Raises `AddressRefused`."""
        own = issuer in self._own
        here = is_loopback(host_of(self._server))
        check_issuer(issuer, loopback=own or here)
        for url in server_metadata_urls(issuer):
            document = yield from self._server_document(url)
            accepted = _spellings(issuer)
            if document and (found := self._read(url, document, issuers=accepted)):
                return found
        return None

    def _at_own_addresses(self) -> Steps[Provider | None]:
        for base, url in own_metadata_urls(self._server):
            document = yield from self._server_document(url)
            found = None
            if document:
                found = yield from self._found_at_server(base, url, document=document)
            if found:
                return found
        return None

    def _found_at_server(
        self, base: str, url: str, *, document: Document
    ) -> Steps[Provider | None]:
        try:
            issuer = issuer_of(document)
        except NotMetadata as absent:
            self._inquiry.judge(url, f"200, {absent}")
            return None
        if self._pinned and issuer not in self._own:  # the configured one may do
            self._inquiry.judge(url, f"refused: its issuer is {shown_address(issuer)}")
            self._refused = self._refused or self._not_pinned((issuer,))
            return None
        if issuer in _spellings(base):
            return self._read(url, document, issuers=_spellings(base))
        self._inquiry.judge(url, f"200, names the issuer {shown_address(issuer)}")
        return (yield from self._at_issuer(issuer))

    def _read(
        self, url: str, document: Document, *, issuers: frozenset[str]
    ) -> Provider | None:
        try:
            return read_server_metadata(document, issuers=issuers)
        except NotMetadata as absent:
            self._inquiry.judge(url, f"200, {absent}")
        except MetadataRefused as refused:
            self._refuse(url, refused)
        return None

    def _default(self, *, guess: bool) -> Provider:
        """The last resort (D6), where nothing speaks against it."""
        if self._refused:
            raise self._refused
        if self._unavailable:
            raise self._unavailable
        if self._settings.issuer or not guess:
            raise nothing_found(self._settings, self.tried)
        origin = origin_of(self._server)
        return Provider(
            issuer=origin,
            authorization_endpoint=f"{origin}/authorize",
            token_endpoint=f"{origin}/token",
            registration_endpoint=f"{origin}/register",
            source="defaults",
        )

    def _refuse(self, url: str, why: MetadataRefused) -> None:
        """Note a document that is there and must not be used; the first one counts."""
        self._inquiry.judge(url, f"refused: {why}")
        self._refused = self._refused or _refused(url, why, tried=self.tried)

    def _server_document(self, url: str) -> Steps[Document | None]:
        """An outage at one address may be none at the next; it is remembered."""
        try:
            return (yield from self._inquiry.document(Step.SERVER_METADATA, url))
        except ProviderUnavailable as outage:
            self._unavailable = self._unavailable or outage
            return None


def _refused(url: str, why: MetadataRefused, *, tried: tuple[str, ...]) -> OAuthError:
    shown = shown_address(url)
    public = f"the metadata at {shown} is refused: {why}"
    asked = f"GET {shown}"
    if not isinstance(why, IssuerDiffers):
        return DiscoveryFailed(
            public,
            tried=tried,
            asked=asked,
            answered=str(why),
            rule=why.rule,
            advice=_ADVICE,
        )
    advice = "if that issuer is to be trusted, set `issuer` to it under `oauth`"
    return IssuerRefused(
        public, asked=asked, answered=str(why), rule=why.rule, advice=advice
    )
