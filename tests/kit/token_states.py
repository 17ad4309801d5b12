"""Credentials and states of the token machine, as its tests need them."""

from typing import Any

from msgspec.structs import replace

from bridge.oauth.credential import Credential, TokenSet
from bridge.oauth.lifecycle import Origin, Phase, State
from bridge.oauth.provider import Client, Provider
from bridge.oauth.schedule import Moment, age_of

ISSUER = "https://auth.example"
#: Now, on a machine that has been up for a while.
NOW = Moment(1_800_000_000.0, 5_000.0)
LIFETIME = 3600.0


def later(seconds: float, *, since: Moment = NOW) -> Moment:
    """Both clocks go on."""
    return Moment(since.wall + seconds, since.monotonic + seconds)


def credential(
    name: str = "one",
    *,
    age: float = 0.0,
    expires_in: float | None = LIFETIME,
    refreshable: bool = True,
) -> Credential:
    """A login ``age`` seconds before `NOW`."""
    return Credential(
        tokens=TokenSet(
            access_token=f"access-{name}",
            refresh_token=f"refresh-{name}" if refreshable else "",
            created_at=NOW.wall - age,
            expires_in=expires_in,
            scope="read",
        ),
        provider=Provider(issuer=ISSUER, token_endpoint=f"{ISSUER}/token"),
        client=Client(issuer=ISSUER, client_id="us"),
        resource="https://mcp.example",
    )


def holding(held: Credential | None = None, **members: Any) -> State:
    """A state with a login in it: valid and serving unless ``members`` say other."""
    held = held or credential()
    base = State(
        phase=Phase.VALID,
        credential=held,
        age=age_of(held.tokens, NOW),
        generation=3,
        origin=Origin.STORE,
        serving=True,
    )
    return replace(base, **members)
