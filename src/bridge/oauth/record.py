"""One token file: the guide's fields, and beside them what the login belongs to (R98).

    {"access_token", "refresh_token", "token_type", "expires_in", "scope", "created_at",
     "version", "issuer", "resource", "server_url", "client": {}, "provider": {}}

The first six stand as the guide shows them, so that its readers find them; of these,
what is not known is left out. Read as well: ``issued_at`` and ``oauth_issuer`` of older
programs. Members nobody knows are passed over.
"""

import re
from collections.abc import Mapping

import msgspec

from bridge.oauth.credential import Credential, TokenSet
from bridge.oauth.provider import Client, Provider

#: Grows when an older reader would misunderstand the file.
VERSION = 1

#: An access token goes into a header, a refresh token into a form (threats D9).
_HEADER_TEXT = re.compile(r"[\x21-\x7e]+")
_FORM_TEXT = re.compile(r"[\x20-\x7e]*")
_VALUE = re.compile(r"value .* - at", re.DOTALL)


class RecordInvalid(ValueError):
    """No token file of ours; the text says why and repeats nothing of its content."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What a file holds. ``server_url`` is empty where the file does not say."""

    credential: Credential
    server_url: str = ""


class _Version(msgspec.Struct, frozen=True):
    """Read first: what a newer program writes may not fit `_File`."""

    version: int = VERSION


class _File(msgspec.Struct, frozen=True, kw_only=True):
    """The members in the order they are written. UNSET: not in the file."""

    access_token: str
    refresh_token: str | msgspec.UnsetType | None = msgspec.UNSET
    token_type: str | None = None
    expires_in: float | msgspec.UnsetType | None = msgspec.UNSET
    scope: str | None = None
    created_at: float | msgspec.UnsetType = msgspec.UNSET
    issued_at: float | msgspec.UnsetType = msgspec.UNSET
    oauth_issuer: str | msgspec.UnsetType | None = msgspec.UNSET
    version: int = VERSION
    issuer: str = ""
    resource: str = ""
    server_url: str = ""
    client: Client | None = None
    provider: Provider | None = None


def encode(credential: Credential, *, server_url: str) -> bytes:
    """The content of a token file, in lines a person can read."""
    tokens = credential.tokens
    file = _File(
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token or msgspec.UNSET,
        token_type=tokens.token_type,
        expires_in=_whole(tokens.expires_in),
        scope=tokens.scope,
        created_at=_whole(tokens.created_at),
        issuer=credential.issuer,
        resource=credential.resource,
        server_url=server_url,
        client=credential.client,
        provider=credential.provider,
    )
    return msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"


def _whole(seconds: float | None) -> float | msgspec.UnsetType:
    """As the guide writes them: without a fraction, where there is none (R98)."""
    if seconds is None:
        return msgspec.UNSET
    return int(seconds) if seconds.is_integer() else seconds


def decode(data: bytes) -> Record:
    """What a token file says. Raises `RecordInvalid`.

    A file without ``provider`` is of an older layout: its `Provider` has no endpoints
    and its `Client` no id. Its access token serves until a 401, and a new login is
    needed then: nobody knows where its refresh token may be sent. Without a time of
    issue the token counts as issued at epoch 0: expired, if it says how long it lives.
    A time of issue in the future is kept; whoever schedules must not trust it (threats
    D12).
    """
    file = _parse(data)
    _check_tokens(file)
    issuer = file.issuer or file.oauth_issuer or ""
    provider = file.provider or Provider(issuer=issuer, token_endpoint="")
    client = file.client or Client(issuer=provider.issuer, client_id="")
    if {issuer or provider.issuer, client.issuer} != {provider.issuer}:
        raise RecordInvalid("it names two authorization servers")
    tokens = TokenSet(
        access_token=file.access_token,
        refresh_token=file.refresh_token or "",
        token_type=file.token_type or "Bearer",
        expires_in=None if file.expires_in is msgspec.UNSET else file.expires_in,
        scope=file.scope or "",
        created_at=_issued(file),
    )
    credential = Credential(
        tokens=tokens, provider=provider, client=client, resource=file.resource
    )
    return Record(credential=credential, server_url=file.server_url)


def _parse(data: bytes) -> _File:
    if not data.strip():
        raise RecordInvalid("it is empty")
    try:
        version = msgspec.json.decode(data, type=_Version).version
        if version > VERSION:
            raise RecordInvalid(f"a newer program wrote it (version {version})")
        return msgspec.json.decode(data, type=_File)
    except msgspec.ValidationError as error:
        raise RecordInvalid(f"it is no token file: {_said(error)}") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise RecordInvalid("it is no whole JSON") from None


def _said(error: msgspec.ValidationError) -> str:
    """Names types and members; a value, which msgspec repeats of enums, is cut out."""
    return _VALUE.sub("value - at", str(error))


def _check_tokens(file: _File) -> None:
    if not _HEADER_TEXT.fullmatch(file.access_token):
        raise RecordInvalid("its access_token is none")
    if not _FORM_TEXT.fullmatch(file.refresh_token or ""):
        raise RecordInvalid("its refresh_token is none")
    if (file.token_type or "Bearer").lower() != "bearer":
        raise RecordInvalid("its token_type is not Bearer")


def _issued(file: _File) -> float:
    if file.created_at is not msgspec.UNSET:
        return file.created_at
    return 0.0 if file.issued_at is msgspec.UNSET else file.issued_at


# --- registrations ---


class _Clients(msgspec.Struct, frozen=True, kw_only=True):
    version: int = VERSION
    clients: dict[str, Client] = msgspec.field(default_factory=dict[str, Client])


def encode_clients(clients: Mapping[str, Client]) -> bytes:
    """The content of a file of registrations, by issuer, the oldest first."""
    content = msgspec.json.encode(_Clients(clients=dict(clients)))
    return msgspec.json.format(content, indent=2) + b"\n"


def decode_clients(data: bytes) -> dict[str, Client]:
    """The registrations of a file, by issuer. Raises `RecordInvalid`."""
    try:
        file = msgspec.json.decode(data, type=_Clients)
    except msgspec.ValidationError as error:
        said = _said(error)
        raise RecordInvalid(f"it is no file of registrations: {said}") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise RecordInvalid("it is no whole JSON") from None
    if file.version > VERSION:
        raise RecordInvalid(f"a newer program wrote it (version {file.version})")
    if any(client.issuer != issuer for issuer, client in file.clients.items()):
        raise RecordInvalid("it names two authorization servers for one client")
    return file.clients
