"""From a token to the principal it speaks for (pure, synchronous, no I/O).

shape and header   compact.py   no key needed, no cryptography
which key          keyset.py    chosen by us: kid, then type, use, alg, curve
signature          joserfc      with exactly that key and algorithm
claims             claims.py    only now is anything in the payload read
scopes             here
"""

from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry

from bridge.errors import ScopeInsufficient
from bridge.identity.claims import Verified, judge_claims
from bridge.identity.compact import CompactToken, read_compact
from bridge.identity.keyset import KeySnapshot, VerificationKey
from bridge.identity.policy import TokenPolicy
from bridge.identity.refusal import Reason, TokenRefused, UnknownKey
from bridge.identity.strict import NotStrict, decode_object


def verify(
    token: str, keys: KeySnapshot, *, policy: TokenPolicy, now: float
) -> Verified:
    """Check a token; ``now`` is epoch seconds.

    Raises `TokenRefused`; its subclass `UnknownKey` when a fresh key set might change
    the answer; `ScopeInsufficient` when only a scope is missing.
    """
    payload = verify_signature(token, keys, policy=policy)
    verified = judge_claims(_claims(payload), policy, exact_issuer=keys.issuer, now=now)
    if not verified.scopes.issuperset(policy.required_scopes):
        raise ScopeInsufficient(
            "the token lacks a required scope", scopes=policy.required_scopes
        )
    return verified


def verify_signature(token: str, keys: KeySnapshot, *, policy: TokenPolicy) -> bytes:
    """The payload of a token whose signature is good. Raises `TokenRefused`."""
    compact = read_compact(token, policy)
    _check_signature(compact, _choose_key(compact, keys))
    return compact.payload


def _choose_key(token: CompactToken, keys: KeySnapshot) -> VerificationKey:
    named = keys.named(token.kid)
    if not named:
        raise UnknownKey(token.kid)
    fitting = [key for key in named if token.algorithm in key.algorithms]
    if len(fitting) != 1:
        raise TokenRefused(Reason.KEY_UNFIT)
    return fitting[0]


def _check_signature(token: CompactToken, key: VerificationKey) -> None:
    # By its curve's own name: the library warns of the older one, which we accept.
    name = "Ed25519" if token.algorithm == "EdDSA" else token.algorithm
    model = JWSRegistry.algorithms[name]
    try:
        good = model.verify(token.signing_input, token.signature, key.key)
    except (JoseError, ValueError):
        good = False
    if not good:
        raise TokenRefused(Reason.SIGNATURE)


def _claims(payload: bytes) -> dict[str, object]:
    try:
        return decode_object(payload)
    except NotStrict:
        raise TokenRefused(Reason.CLAIMS) from None
