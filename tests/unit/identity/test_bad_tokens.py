"""The gate: no bad token is accepted, every good one is."""

import pytest

from bridge.identity.refusal import TokenRefused
from bridge.identity.verifier import verify
from kit.bad_token import EC, RSA, BadToken
from kit.bad_tokens import bad_tokens, good_tokens
from kit.issuer import ISSUER, NOW, policy, snapshot

BAD = bad_tokens()
GOOD = good_tokens()
KEYS = snapshot(RSA, EC)


@pytest.mark.requirement("A1", "A2", "A3", "A4", "A5", "A6", "A7", "A9", "A10", "A11")
@pytest.mark.requirement(
    "A12", "A13", "A14", "A20", "A22", "A23", "A24", "A25", "A26", "D19"
)
@pytest.mark.requirement("R30", "R31", "R32", "R41")
@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_a_bad_token_is_refused_by_the_check_it_fails_and_not_repeated(
    bad: BadToken,
) -> None:
    with pytest.raises(TokenRefused) as refused:
        verify(bad.token, KEYS, policy=policy(), now=NOW)
    assert refused.value.reason is bad.reason
    assert str(refused.value) == bad.reason.value  # nothing of the token in it


@pytest.mark.requirement("A22", "A24", "R31")
@pytest.mark.parametrize("name", GOOD)
def test_a_good_token_is_accepted(name: str) -> None:
    verified = verify(GOOD[name], KEYS, policy=policy(), now=NOW)
    assert verified.principal.issuer == ISSUER


def test_the_table_is_as_large_as_the_gate_asks() -> None:
    assert len({bad.token for bad in BAD}) >= 300
    assert len({bad.name for bad in BAD}) == len(BAD)
