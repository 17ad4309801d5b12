"""Who a verified token speaks for."""

import msgspec


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Identity of a downstream client: (`iss`, `sub`, `client_id` or `azp`).

    Two tokens of one principal compare equal; scopes and claims are of the token
    (see `bridge.identity`), not of the identity.
    """

    issuer: str
    subject: str
    client: str = ""

    def __str__(self) -> str:
        return self.subject or self.client


#: Everyone, when authentication is off by name (loopback only).
ANONYMOUS = Principal(issuer="", subject="anonymous")
