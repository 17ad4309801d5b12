"""Tokens with good signatures and bad claims (threats A20 to A26)."""

import hashlib
import json

from bridge.identity.refusal import Reason
from kit.bad_token import Bad, with_claim, with_text
from kit.issuer import AUDIENCE, ISSUER, NOW, OMIT, claims


def _issuers() -> Bad:
    values: tuple[object, ...] = (
        *(OMIT, None, "", 1, True, [], [ISSUER], {"iss": ISSUER}),
        *(ISSUER + "/", ISSUER + "//", ISSUER + "/.", ISSUER + "?", ISSUER + "#"),
        *(ISSUER + " ", " " + ISSUER, ISSUER + "\n", ISSUER + "\u0000", ISSUER[:-1]),
        *(ISSUER.upper(), "HTTPS://issuer.example", "https://Issuer.example"),
        *("http://issuer.example", "//issuer.example", "issuer.example", "https:/"),
        *("https://issuer.example.evil.example", "https://issuer.example@evil.example"),
        *("https://evil.example/https://issuer.example", "https://issuer.example:443"),
        *("https://user@issuer.example", "https://issuer%2Eexample", "https://evil"),
        *("https://issuer.example/realms/other", "https://xn--issuer-exampl.example"),
        *(f"{ISSUER},https://evil.example", "*", "https://\uff49ssuer.example"),
    )
    for value in values:
        yield from with_claim(f"iss {_show(value)}", Reason.ISSUER, iss=value)


def _audiences() -> Bad:
    values: tuple[object, ...] = (
        *(OMIT, None, "", 0, 1, True, {}, {AUDIENCE: True}, {"aud": AUDIENCE}),
        *([], [None], [""], ["other"], [[AUDIENCE]], [{"aud": AUDIENCE}]),
        *([AUDIENCE, 1], [AUDIENCE, None], [None, AUDIENCE], [AUDIENCE, [AUDIENCE]]),
        *("faxbot", "faxbot-mcp-2", "xfaxbot-mcp", "faxbot-mc", "*", ".*", "%"),
        *("FAXBOT-MCP", "Faxbot-mcp", "faxbot-mcp ", " faxbot-mcp", "faxbot-mcp\u0000"),
        *(
            "other,faxbot-mcp",
            "faxbot-mcp,other",
            "other faxbot-mcp",
            "\uff46axbot",
        ),
        *(["*"], ["faxbot-mcp "], ["FAXBOT-MCP"], ["faxbot-mcp,other"]),
    )
    for value in values:
        yield from with_claim(f"aud {_show(value)}", Reason.AUDIENCE, aud=value)


def _times() -> Bad:
    soon = int(NOW) + 600
    wrong: tuple[object, ...] = (
        *(None, True, False, "", str(soon), "never", [], [soon], {}, {"exp": soon}),
        *(-1, -1e9, 10**300, 10**20, 1e300, 253_402_300_800, -(10**400)),
    )
    for claim in ("exp", "nbf", "iat"):
        for value in wrong:
            yield from with_claim(
                f"{claim} {_show(value)}", Reason.TIME, **{claim: value}
            )
        text = json.dumps(claims(**{claim: "HERE"})).replace('"HERE"', "1e400")
        yield from with_text(f"{claim} 1e400", Reason.CLAIMS, payload=text)
    yield from with_claim("exp missing", Reason.TIME, exp=OMIT)
    for value in (0, 1, int(NOW) - 31, NOW - 30, NOW - 3600, NOW - 86400):
        yield from with_claim(f"exp {value}", Reason.EXPIRED, exp=value)
    for value in (NOW + 31, NOW + 3600, NOW + 86400 * 365):
        yield from with_claim(f"nbf {value}", Reason.NOT_YET, nbf=value)
        yield from with_claim(f"iat {value}", Reason.FROM_FUTURE, iat=value)


def _kinds() -> Bad:
    event = "http://schemas.openid.net/event/backchannel-logout"
    for value in ({"jkt": "x"}, {"x5t#S256": "x"}, {}, None, "x"):
        yield from with_claim(f"cnf {value!r}", Reason.BOUND, cnf=value)
    for kind in ("Refresh", "Offline", "Logout", "logout"):
        yield from with_claim(f"typ claim {kind}", Reason.OTHER_KIND, typ=kind)
    yield from with_claim("token_use refresh", Reason.OTHER_KIND, token_use="refresh")
    yield from with_claim("logout event", Reason.OTHER_KIND, events={event: {}})
    for name in ("at_hash", "c_hash", "s_hash"):
        yield from with_claim(f"ID token ({name})", Reason.ID_KIND, **{name: "abc"})
    yield from with_claim("ID token (typ)", Reason.ID_KIND, typ="ID")
    yield from with_claim("ID token (token_use)", Reason.ID_KIND, token_use="id")


def _identities() -> Bad:
    yield from with_claim("nobody", Reason.IDENTITY, sub=OMIT, client_id=OMIT)
    wrong: tuple[object, ...] = (
        None,
        "",
        1,
        True,
        [],
        ["user-1"],
        {},
        "a\u0000b",
        "a\nb",
    )
    for claim in ("sub", "client_id"):
        for value in wrong:
            name = f"{claim} {_show(value)}"
            yield from with_claim(name, Reason.IDENTITY, **{claim: value})
    yield from with_claim("azp 1", Reason.IDENTITY, client_id=OMIT, azp=1)


def _show(value: object) -> str:
    if value is OMIT:
        return "missing"
    text = repr(value)
    return text if len(text) < 60 else hashlib.sha256(text.encode()).hexdigest()[:8]


CLAIM_FAMILIES = (_issuers, _audiences, _times, _kinds, _identities)
