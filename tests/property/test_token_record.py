"""Whatever is a login survives its file; whatever is none is refused, and no worse."""

import json
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bridge.oauth import record
from bridge.oauth.credential import Credential, TokenSet
from bridge.oauth.provider import Client, Provider

TOKEN = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
TIME = st.floats(allow_nan=False, allow_infinity=False)
TOKENS = st.builds(
    TokenSet,
    access_token=TOKEN,
    refresh_token=st.just("") | TOKEN,
    token_type=st.sampled_from(["Bearer", "bearer"]),
    expires_in=st.none() | TIME,
    scope=TEXT,
    created_at=TIME,
)


@st.composite
def credentials(draw: st.DrawFn) -> Credential:
    issuer = draw(TEXT)
    provider = Provider(
        issuer=issuer,
        token_endpoint=draw(TEXT),
        scopes_supported=draw(st.none() | st.lists(TEXT, max_size=3).map(tuple)),
        authorization_response_iss_parameter_supported=draw(st.booleans()),
    )
    client = Client(
        issuer=issuer,
        client_id=draw(TEXT),
        client_secret=draw(TEXT),
        secret_expires_at=draw(TIME),
    )
    return Credential(
        tokens=draw(TOKENS), provider=provider, client=client, resource=draw(TEXT)
    )


@given(credentials(), TEXT)
def test_a_login_survives_its_file(credential: Credential, url: str) -> None:
    found = record.decode(record.encode(credential, server_url=url))
    assert found == record.Record(credential=credential, server_url=url)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=4,
)
MEMBERS = st.sampled_from(
    [
        *("access_token", "refresh_token", "token_type", "expires_in", "scope"),
        *("created_at", "issued_at", "oauth_issuer", "version", "issuer"),
        *("resource", "server_url", "client", "provider", "clients"),
    ]
)
FILES = st.dictionaries(MEMBERS, JSON).map(lambda tree: json.dumps(tree).encode())


@given(st.binary(max_size=60) | FILES)
def test_any_content_is_a_login_or_refused(data: bytes) -> None:
    for decode in (record.decode, record.decode_clients):
        with suppress(record.RecordInvalid):
            decode(data)


@given(credentials(), st.data())
def test_a_truncated_file_is_never_half_a_login(
    credential: Credential, data: st.DataObject
) -> None:
    whole = record.encode(credential, server_url="https://a.example")
    end = data.draw(st.integers(0, len(whole) - 2))
    try:
        record.decode(whole[:end])
    except record.RecordInvalid:
        return
    raise AssertionError("a part was taken for the whole")
