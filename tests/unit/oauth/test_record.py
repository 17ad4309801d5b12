import json
from typing import Any

import msgspec
import pytest

from bridge.oauth import record
from bridge.oauth.credential import Credential, TokenSet
from bridge.oauth.provider import Client, Provider
from bridge.oauth.record import RecordInvalid

ISSUER = "https://auth.example.com"
URL = "https://mcp.example.com/sse"
PROVIDER = Provider(issuer=ISSUER, token_endpoint=f"{ISSUER}/token")
CLIENT = Client(issuer=ISSUER, client_id="c1", client_secret="s", source="registered")
CREDENTIAL = Credential(
    tokens=TokenSet(
        access_token="eyJhbGciOiJSUzI1NiIs",
        refresh_token="def50200",
        expires_in=3600.0,
        scope="read:repositories",
        created_at=1640995200.0,
    ),
    provider=PROVIDER,
    client=CLIENT,
    resource="https://mcp.example.com",
)
GUIDE = {
    "access_token": "eyJhbGciOiJSUzI1NiIs...",
    "refresh_token": "def50200...",
    "token_type": "Bearer",
    "expires_in": 3600,
    "scope": "read:repositories",
    "created_at": 1640995200,
}


def read(**members: object) -> record.Record:
    return record.decode(json.dumps(members).encode())


def written(credential: Credential = CREDENTIAL) -> dict[str, Any]:
    return json.loads(record.encode(credential, server_url=URL))


@pytest.mark.requirement("R98", "D10")
def test_a_file_holds_the_fields_of_the_guide_first_and_what_they_belong_to() -> None:
    content = written()
    assert list(content)[:6] == list(GUIDE)
    assert content["created_at"] == GUIDE["created_at"]
    assert content["issuer"] == content["provider"]["issuer"] == ISSUER
    assert content["client"]["client_id"] == "c1"
    assert (content["resource"], content["server_url"]) == (CREDENTIAL.resource, URL)
    assert {"issued_at", "oauth_issuer"}.isdisjoint(content)


def test_what_is_written_is_read_again() -> None:
    found = record.decode(record.encode(CREDENTIAL, server_url=URL))
    assert found == record.Record(credential=CREDENTIAL, server_url=URL)


def test_what_is_not_known_is_left_out() -> None:
    tokens = TokenSet(access_token="a", created_at=1.0)
    bare = msgspec.structs.replace(CREDENTIAL, tokens=tokens)
    assert {"refresh_token", "expires_in"}.isdisjoint(written(bare))
    assert record.decode(record.encode(bare, server_url=URL)).credential == bare


@pytest.mark.requirement("R97", "D9")
def test_the_file_of_the_guide_gives_a_token_but_no_place_to_refresh_it() -> None:
    found = read(**GUIDE)
    tokens = found.credential.tokens
    assert tokens.access_token == GUIDE["access_token"]
    assert tokens.expires_at == 1640995200 + 3600
    assert found.credential.provider.token_endpoint == ""
    assert found.credential.client.client_id == found.credential.issuer == ""


@pytest.mark.requirement("R98", "D10")
def test_older_names_of_the_time_and_the_issuer_are_read() -> None:
    found = read(access_token="a", issued_at=7.5, oauth_issuer=ISSUER).credential
    assert found.tokens.created_at == 7.5
    assert found.issuer == found.client.issuer == ISSUER
    both = read(access_token="a", issued_at=7.5, created_at=8).credential
    assert both.tokens.created_at == 8


def test_nulls_of_older_programs_are_as_good_as_nothing() -> None:
    names = ("refresh_token", "token_type", "expires_in", "scope", "oauth_issuer")
    tokens = read(access_token="a", **dict.fromkeys(names)).credential.tokens
    assert tokens == TokenSet(access_token="a", created_at=0.0)


def test_a_token_without_a_time_of_issue_counts_as_expired() -> None:
    assert read(access_token="a", expires_in=60).credential.tokens.expires_at == 60


@pytest.mark.requirement("R98")
def test_unknown_members_are_passed_over() -> None:
    found = read(access_token="a", id_token="x", provider=None, client=None)
    assert found.credential.tokens.access_token == "a"


def test_a_time_of_issue_in_the_future_is_kept_as_it_is() -> None:
    assert read(access_token="a", created_at=9e12).credential.tokens.created_at == 9e12


@pytest.mark.requirement("R101")
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b'{"access_token": "a"', "no whole JSON"),
        (b'{"access_token": "a"} x', "no whole JSON"),
        (b"\x00" * 40, "no whole JSON"),
        (b'{"access_token": "\xff"}', "no whole JSON"),
        (b'{"access_token": "a", "x": ' + b"[" * 99_999 + b"}", "no whole JSON"),
        (b"[]", "object"),
        (b"{}", "access_token"),
        (b'{"access_token": ""}', "access_token"),
        (b'{"access_token": 5}', "access_token"),
        (b'{"access_token": "a\\r\\nb"}', "access_token"),
        (b'{"access_token": "a b"}', "access_token"),
        (b'{"access_token": "a", "refresh_token": "b\\n"}', "refresh_token"),
        (b'{"access_token": "a", "refresh_token": ["b"]}', "refresh_token"),
        (b'{"access_token": "a", "token_type": "mac"}', "token_type"),
        (b'{"access_token": "a", "expires_in": "3600"}', "expires_in"),
        (b'{"access_token": "a", "created_at": 1e999}', "created_at|range"),
        (b'{"access_token": "a", "client": {}}', "issuer"),
        (b'{"access_token": "a", "version": 2, "client": 5}', "newer.*version 2"),
    ],
)
def test_what_is_no_token_file_is_refused_with_the_reason(
    data: bytes, reason: str
) -> None:
    with pytest.raises(RecordInvalid, match=reason):
        record.decode(data)


def test_a_file_that_names_two_authorization_servers_is_refused() -> None:
    content = written()
    for member in ("provider", "client"):
        other = {**content[member], "issuer": "https://evil.example"}
        with pytest.raises(RecordInvalid, match="two authorization servers"):
            read(**{**content, member: other})
    with pytest.raises(RecordInvalid, match="two authorization servers"):
        read(**{**content, "issuer": "https://evil.example"})


@pytest.mark.requirement("R103")
def test_a_refusal_repeats_no_value() -> None:
    for source in ("CANARY", "CANARY' - at x"):
        client = {"issuer": ISSUER, "client_id": "c", "source": source}
        with pytest.raises(RecordInvalid) as caught:
            read(access_token="a", client=client)
        assert "CANARY" not in str(caught.value)
        assert "$.client.source" in str(caught.value)


def test_registrations_are_read_again_in_their_order() -> None:
    other = Client(issuer="https://b.example", client_id="c2")
    clients = {ISSUER: CLIENT, other.issuer: other}
    found = record.decode_clients(record.encode_clients(clients))
    assert found == clients
    assert list(found) == list(clients)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no whole JSON"),
        (b'{"clients": ', "no whole JSON"),
        (b'{"clients": 5}', "clients"),
        (b'{"version": 2}', "newer"),
        (b'{"clients": {"x": {"issuer": "y", "client_id": "c"}}}', "two auth"),
    ],
)
def test_what_is_no_file_of_registrations_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(RecordInvalid, match=reason):
        record.decode_clients(data)
