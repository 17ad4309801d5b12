"""What a 401 or 403 says: the ``WWW-Authenticate`` header (RFC 9110 section 11.6.1).

Total: whatever a server sends is read as far as it makes sense, and nothing raises.
"""

import re
from collections.abc import Mapping

import msgspec

from bridge.oauth.scope import is_scope_token

# More than any server's head may hold; the rest of a longer text is not looked at.
_MAX_HEADER = 8192
_MAX_CHALLENGES = 16
_MAX_PARAMETERS = 32
_MAX_TEXT = 2048

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - a pattern of RFC 9110
_GAP = re.compile(r"[\s,]*")
# Unquoted addresses and scopes are no tokens, yet servers send them so.
_PARAMETER = re.compile(
    rf'({_TOKEN})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))', re.DOTALL
)
_OPEN_QUOTE = re.compile(rf'{_TOKEN}[ \t]*=[ \t]*"')
_SCHEME = re.compile(rf"({_TOKEN})(?=[\s,]|\Z)")
_TOKEN68 = re.compile(r"[ \t]+([A-Za-z0-9._~+/-]+=*)(?=[ \t]*(?:,|\Z))")
_JUNK = re.compile(r"[^\s,]*")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class Challenge(msgspec.Struct, frozen=True, kw_only=True):
    """One challenge. Parameter names are in lower case; the first of a name counts."""

    scheme: str
    token68: str = ""
    parameters: Mapping[str, str] = {}


class BearerChallenge(msgspec.Struct, frozen=True, kw_only=True):
    """What a Bearer challenge says (RFC 6750, RFC 9728). Empty: not said.

    Printable and bounded; ``scope`` is a list of scope tokens with single blanks.
    """

    resource_metadata: str = ""
    scope: str = ""
    error: str = ""
    error_description: str = ""


class _Open:
    """A challenge that is still being read."""

    def __init__(self, scheme: str, token68: str) -> None:
        self.scheme = scheme
        self.token68 = token68
        self.parameters: dict[str, str] = {}

    def add(self, name: str, value: str) -> None:
        if len(self.parameters) < _MAX_PARAMETERS:
            self.parameters.setdefault(name.lower(), value)

    def close(self) -> Challenge:
        return Challenge(
            scheme=self.scheme, token68=self.token68, parameters=self.parameters
        )


def parse(header: str) -> tuple[Challenge, ...]:
    """The challenges of a header, in order; several header lines joined by commas.

    A parameter before any scheme, a stray word and the rest after a quote that never
    ends are left out.
    """
    text = header[:_MAX_HEADER]
    found: list[_Open] = []
    at = 0
    while at < len(text):
        at = _read(text, at, found)
    return tuple(challenge.close() for challenge in found[:_MAX_CHALLENGES])


def _read(text: str, start: int, found: list[_Open]) -> int:
    """Take in what stands at ``start``; return where the next thing may."""
    at = _gap_end(text, start)
    if parameter := _PARAMETER.match(text, at):
        if found:
            found[-1].add(parameter[1], _value(parameter))
        return parameter.end()
    if _OPEN_QUOTE.match(text, at):
        return len(text)
    separated = not found or "," in text[start:at]
    if separated and (scheme := _SCHEME.match(text, at)):
        token68 = _TOKEN68.match(text, scheme.end())
        found.append(_Open(scheme[1], token68[1] if token68 else ""))
        return token68.end() if token68 else scheme.end()
    return max(_junk_end(text, at), at + 1)


def _gap_end(text: str, at: int) -> int:
    match = _GAP.match(text, at)
    assert match is not None  # the pattern matches nothing, too
    return match.end()


def _junk_end(text: str, at: int) -> int:
    match = _JUNK.match(text, at)
    assert match is not None  # the pattern matches nothing, too
    return match.end()


def _value(parameter: re.Match[str]) -> str:
    quoted = parameter[2]
    return parameter[3] if quoted is None else _ESCAPED.sub(r"\1", quoted)


def bearer(header: str) -> BearerChallenge:
    """The Bearer challenge: the first that names its metadata, else the first.

    Nothing there is an empty challenge.
    """
    said = [c.parameters for c in parse(header) if c.scheme.lower() == "bearer"]
    naming = [parameters for parameters in said if "resource_metadata" in parameters]
    chosen = (naming or said or [{}])[0]
    return BearerChallenge(
        resource_metadata=_text(chosen.get("resource_metadata", "")),
        scope=_scope(chosen.get("scope", "")),
        error=_text(chosen.get("error", "")),
        error_description=_text(chosen.get("error_description", "")),
    )


def _text(value: str) -> str:
    """The value if a line of a log can hold it (threats D6), else nothing."""
    return value if value.isprintable() and len(value) <= _MAX_TEXT else ""


def _scope(value: str) -> str:
    return " ".join(filter(is_scope_token, value.split()))
