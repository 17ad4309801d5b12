"""Public signature vectors (Project Wycheproof, Apache-2.0; see the file's head)."""

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import ProtocolError
from bridge.identity.keyset import KeySnapshot, read_key_set
from bridge.identity.policy import SUPPORTED
from bridge.identity.refusal import TokenRefused
from bridge.identity.strict import decode_base64url
from bridge.identity.verifier import verify_signature
from kit.issuer import policy

FILE = Path(__file__).parent / "data" / "wycheproof_jws.json"
GROUPS: list[dict[str, Any]] = json.loads(FILE.read_text())["groups"]
CASES = [
    pytest.param(group["key"], test, id=f"{test['tcId']}-{test['comment'][:40]}")
    for group in GROUPS
    for test in group["tests"]
]


def ours(key: dict[str, Any], jws: str) -> bool:
    """Whether what is valid by the letter is also a token to us.

    It is not with an empty payload, with a symmetric key, or with an algorithm that is
    not the one its key is for (the RFC 7520 examples; one key says "ES521").
    """
    if key["kty"] == "oct":
        return False
    head, payload, _ = jws.split(".")
    algorithm = json.loads(decode_base64url(head))["alg"]
    return bool(payload) and algorithm == key["alg"]


def accepted(key: dict[str, Any], jws: str) -> bool:
    try:
        keys = KeySnapshot(keys=read_key_set(json.dumps({"keys": [key]}).encode()).keys)
        verify_signature(jws, keys, policy=policy(algorithms=tuple(SUPPORTED)))
    except (ProtocolError, TokenRefused):
        return False
    return True


@pytest.mark.requirement("A1", "A2", "A3", "A4", "A10", "A11", "A12")
@pytest.mark.parametrize(("key", "case"), CASES)
def test_a_vector_is_judged_as_published(
    key: dict[str, Any], case: dict[str, Any]
) -> None:
    good = case["result"] == "valid" and ours(key, case["jws"])
    assert accepted(key, case["jws"]) is good


def test_the_selection_holds_both_kinds() -> None:
    results = [test["result"] for group in GROUPS for test in group["tests"]]
    assert results.count("invalid") > 100
    assert results.count("valid") > 20
    assert sum(accepted(g["key"], c["jws"]) for g in GROUPS for c in g["tests"]) > 10
