"""Removes secrets from whatever is about to be logged, and bounds its size.

Three nets, one behind the other: a value under a telling key (``client_secret``), text
of a telling shape (a JWT, ``Bearer ...``, user and query of an address, ``token=...``),
and values the program has learnt to be secret. The walk is total: it never raises, it
opens only plain data, and what it does not know it names by type and does not show.

The one address shown whole is a log-in address under the key ``login_url`` (R80).
"""

import re
import traceback
from collections.abc import Iterable, Mapping, MutableMapping
from enum import Enum
from functools import lru_cache
from typing import Any, cast
from urllib.parse import quote

import msgspec

MASK = "[redacted]"
TEXT_LIMIT = 4_096  # characters of one value: a log line is no place for a payload
SECRET_LIMIT = 16_384  # a token with many groups has about 10 kB
_RAW_LIMIT = 2 * SECRET_LIMIT  # what is searched of a longer text
_SECRET_FLOOR = 6  # shorter values would mask ordinary words everywhere
_DEPTH_LIMIT = 6
_ITEM_LIMIT = 64  # per container; with the depth this bounds one line
_NODE_LIMIT = 512  # per line
_INT_LIMIT = 2**63  # what every JSON reader takes
_NUMBERS = frozenset({int, float, bool, type(None)})  # they hold no text

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_TELLING_WORDS = frozenset(
    {
        "token",
        "secret",
        "password",
        "passwd",
        "passphrase",
        "cookie",
        "cookies",
        "authorization",
        "authentication",
        "bearer",
        "apikey",
        "verifier",
        "assertion",
        "credential",
        "credentials",
        "env",
    }
)
_TELLING_PAIRS = frozenset(
    ["api key", "private key", "user code", "device code", "auth code", "access key"]
)
_PLAIN = re.compile(r"[\w./-]*")  # no shape but that of a JWT

# Prefixes are bounded and starts anchored: upstream text must not cost quadratic time.
_SCHEME = re.compile(r"(?i)\b(bearer|basic|dpop)\s+[\w.~+/=-]{6,}")
_JWT = re.compile(r"(?<![\w-])eyJ[\w-]+(?:\.[\w-]*){1,4}")
_HEADER = re.compile(
    r"(?i)\b((?:set-)?cookie|(?:proxy-)?authorization|x-api-key)"
    r"([\"']?\s{0,4}[:=]\s{0,4})[^\r\n]+"
)
_PAIR = re.compile(
    r"(?i)\b([\w.-]{0,32}(?:token|secret|password|passwd|passphrase|api[_-]?key|"
    r"verifier|assertion|credentials?))"
    r"(=|[\"']\s{0,4}[:=]\s{0,4}|\s{0,4}:\s{0,4}(?=[\"']|\S{0,32}\d))"
    r"(\"[^\"]*\"?|'[^']*'?|[^\s,;&\"'}]+)"
)
_CODE = re.compile(r"\b(code=)(?=\d{0,8}[A-Za-z_.~-])[^\s&\"']{6,}")
_ADDRESS = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,20}://)([^\s\"'<>]+)")


class Redactor:
    """One per process: knows the secrets the program holds. A structlog processor."""

    def __init__(self, *, limit: int = 256) -> None:
        self._limit = limit
        self._forms: dict[str, tuple[str, ...]] = {}
        self._held: dict[str, tuple[tuple[str, ...], ...]] = {}
        self._known: tuple[str, ...] = ()

    def learn(self, secret: str) -> None:
        """Mask ``secret`` wherever it appears; past the limit the oldest is forgotten.

        Values of fewer than six characters are not taken.
        """
        secret = secret[:SECRET_LIMIT]
        if len(secret) < _SECRET_FLOOR or secret in self._forms:
            return
        if len(self._forms) >= self._limit:
            del self._forms[next(iter(self._forms))]
        self._forms[secret] = _spellings(secret)
        self._know()

    def hold(self, owner: str, secrets: Iterable[str]) -> None:
        """Mask what ``owner`` holds now, and what it held before that; no more.

        For secrets that are replaced again and again, such as tokens.
        """
        forms = tuple(
            form
            for secret in secrets
            if len(secret) >= _SECRET_FLOOR
            for form in _spellings(secret[:SECRET_LIMIT])
        )
        self._held[owner] = (*self._held.get(owner, ())[-1:], forms)
        self._know()

    def _know(self) -> None:
        every = {form for forms in self._forms.values() for form in forms}
        for held in self._held.values():
            every.update(*held)
        self._known = tuple(sorted(every, key=len, reverse=True))

    def text(self, text: str, *, limit: int = TEXT_LIMIT) -> str:
        """``text`` without secrets, and not longer than a log line may bear."""
        found = self._known_out(text[:_RAW_LIMIT])
        if "eyJ" in found or not _PLAIN.fullmatch(found):
            found = _shapes_out(found)
        if len(text) > _RAW_LIMIT:  # a secret cut in two would show its first half
            found = found[:-SECRET_LIMIT]
        if len(found) > limit or len(text) > _RAW_LIMIT:
            return f"{found[:limit]}... ({len(text)} characters)"
        return found

    def fields(self, fields: Mapping[str, object]) -> dict[str, object]:
        """The fields as plain data, without secrets, bounded in depth and number."""
        return _Walk(self).mapping(fields, 0)

    def __call__(
        self, _logger: Any, _method: str, event_dict: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        return self.fields(event_dict)

    def _known_out(self, text: str) -> str:
        for secret in self._known:
            if len(secret) <= len(text) and secret in text:
                text = text.replace(secret, MASK)
        return text


class _Walk:
    """One line's way through the redactor, with what is left of its budget."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._nodes = _NODE_LIMIT

    def mapping(self, items: Mapping[Any, object], depth: int) -> dict[str, object]:
        shown: dict[str, object] = {}
        for key, value in items.items():
            if len(shown) >= _ITEM_LIMIT or self._nodes <= 0:
                shown["..."] = f"{len(items)} items"
                break
            name = _name(key)
            spoken = self._redactor.text(name) if depth else name  # ours at the top
            shown[spoken] = self._member(name, value, depth)
        return shown

    def _member(self, name: str, value: object, depth: int) -> object:
        if name == "login_url" and isinstance(value, str):
            return value[:TEXT_LIMIT]
        if _is_telling(name, value):
            return MASK
        if name == "exception" and isinstance(value, str):
            return self._redactor.text(value, limit=4 * TEXT_LIMIT)
        return self.value(value, depth + 1)

    def value(self, value: object, depth: int) -> object:
        self._nodes -= 1
        if depth > _DEPTH_LIMIT:
            return f"<{type(value).__name__}>"
        if type(value) is str:  # almost every value of a line that is often written
            return self._redactor.text(value)
        if type(value) in _NUMBERS:
            return _number(cast("float | None", value))
        return self._unusual(value, depth)

    def _unusual(self, value: object, depth: int) -> object:
        match value:
            case Enum():
                return self.value(value.value, depth + 1)
            case float() | int():
                return _number(value)
            case str():
                return self._redactor.text(value)
            case _:
                return self._compound(value, depth)

    def _compound(self, value: object, depth: int) -> object:
        match value:
            case bytes() | bytearray():
                head = bytes(value[: _RAW_LIMIT + 1])
                return self._redactor.text(head.decode("utf-8", "backslashreplace"))
            case BaseException():
                # survives an exception whose own text fails, as str() does not
                lines = traceback.format_exception_only(value)
                return self._redactor.text("".join(lines).strip())
            case Mapping():
                return self.mapping(cast("Mapping[Any, object]", value), depth)
            case list() | tuple() | set() | frozenset():
                return self._sequence(cast("Iterable[object]", value), depth)
            case msgspec.Struct():
                return self.mapping(_members(value), depth)
            case _:
                return f"<{type(value).__name__}>"

    def _sequence(self, items: Iterable[object], depth: int) -> list[object]:
        shown: list[object] = []
        for item in items:
            if len(shown) >= _ITEM_LIMIT or self._nodes <= 0:
                shown.append("...")
                break
            shown.append(self.value(item, depth + 1))
        return shown


def _number(value: float | None) -> object:
    if not isinstance(value, int) or value is True or value is False:
        return value
    return int(value) if -_INT_LIMIT <= value < _INT_LIMIT else "<large integer>"


def _members(value: msgspec.Struct) -> dict[str, object]:
    return {name: getattr(value, name) for name in value.__struct_fields__}


def _name(key: object) -> str:
    if isinstance(key, str):
        return str(key)
    return str(key) if isinstance(key, int) else f"<{type(key).__name__}>"


def _is_telling(key: str, value: object) -> bool:
    if not _is_telling_key(key[:TEXT_LIMIT]):
        return False
    if key == "code" and isinstance(value, int | float):
        return False  # an authorization code is text, a JSON-RPC code a number
    return not (value is None or isinstance(value, bool) or value == "")


@lru_cache(maxsize=1024)  # almost always the few keys of the catalogue
def _is_telling_key(key: str) -> bool:
    if key == "code":
        return True
    words = [word.lower() for word in _WORD.findall(key)] or [""]
    return words[-1] in _TELLING_WORDS or " ".join(words[-2:]) in _TELLING_PAIRS


def _spellings(secret: str) -> tuple[str, ...]:
    escaped = secret.encode("utf-8", "backslashreplace").decode()
    in_json = msgspec.json.encode(escaped).decode()[1:-1]
    in_url = quote(escaped, safe="")
    return tuple({secret, escaped, in_json, in_url})


def _shapes_out(text: str) -> str:
    text = _ADDRESS.sub(_bare_address, text)
    text = _JWT.sub(MASK, text)
    text = _SCHEME.sub(rf"\1 {MASK}", text)
    text = _HEADER.sub(rf"\1\2{MASK}", text)
    text = _PAIR.sub(rf"\1\2{MASK}", text)
    return _CODE.sub(rf"\1{MASK}", text)


def _bare_address(found: re.Match[str]) -> str:
    scheme, rest = found.groups()
    address, mark, _ = _cut(rest)
    authority, slash, path = address.partition("/")
    host = authority.rpartition("@")[2]
    return f"{scheme}{host}{slash}{path}" + (f"{mark}{MASK}" if mark else "")


def _cut(rest: str) -> tuple[str, str, str]:
    """Address, mark and remainder at the first ``?`` or ``#``."""
    at = min((i for i in (rest.find("?"), rest.find("#")) if i >= 0), default=len(rest))
    return rest[:at], rest[at : at + 1], rest[at + 1 :]
