"""Why a token was refused: a closed set, one sentence each, no token content.

The log and the tests read the reason; the client is only told ``invalid_token``.
"""

from enum import Enum

from bridge.errors import TokenInvalid


class Reason(Enum):
    """The check that failed; the value is the sentence for the log."""

    TOO_LARGE = "the token is over the size limit"
    MALFORMED = "the token is not a compact JWS in strict base64url"
    HEADER = "the token's header is not one plain JSON object"
    ALGORITHM = "the token's algorithm is not on the configured list"
    EXTENSION = "the token's header asks for an extension (crit, b64, zip, enc)"
    TYPE = "the token's typ is not that of an access token"
    KEY_ID = "the token's kid is not a short text"
    UNKNOWN_KEY = "the token names a key the issuer does not publish"
    KEY_UNFIT = "not exactly one published key fits the token's kid and algorithm"
    SIGNATURE = "the token's signature does not verify"
    CLAIMS = "the token's payload is not one plain JSON object"
    ISSUER = "the token's iss is not the expected issuer"
    AUDIENCE = "the token's aud does not hold the configured audience"
    TIME = "exp is missing, or exp, nbf or iat is not a plausible number"
    EXPIRED = "the token has expired"
    NOT_YET = "the token is not valid yet (nbf)"
    FROM_FUTURE = "the token was issued in the future (iat)"
    BOUND = "the token is bound to a key (cnf) and must not come as plain bearer"
    ID_KIND = "the token is an ID token; only access tokens are accepted"
    OTHER_KIND = "the token is a logout, refresh or event token"
    IDENTITY = "the token names neither a subject nor a client"
    OUTDATED = "the session has seen a newer token, which allows something else"
    CARRIAGE = "the token must come once, in the Authorization header, and only there"


class TokenRefused(TokenInvalid):
    """A token that failed the check ``reason``."""

    def __init__(self, reason: Reason, sentence: str = "") -> None:
        super().__init__(sentence or reason.value)
        self.reason = reason


class UnknownKey(TokenRefused):
    """No published key has this name: worth one look at the issuer's key set.

    ``kid`` is None when the token names no key and the set is empty. It is what the
    client sent: a look-up key, never a path, an address or a log field.
    """

    def __init__(self, kid: str | None) -> None:
        super().__init__(Reason.UNKNOWN_KEY)
        self.kid = kid
