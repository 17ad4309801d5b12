"""JSON with comments and trailing commas, read with positions (R2).

Accepted beyond JSON: ``//`` and ``/* */`` comments wherever white space may stand,
one comma after the last member or element, and a leading byte order mark. Nothing
else: what passes here without those three is JSON (RFC 8259).
"""

import json
import math
import re
from bisect import bisect_right
from typing import TypeAlias

import msgspec

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Path = tuple[str | int, ...]
Position = tuple[int, int]  # line and column, from 1

# A configuration is four levels deep; the bound keeps the reader off its own stack.
_DEEPEST = 64

_GAP = re.compile(r"(?:[ \t\r\n]+|//[^\r\n]*|/\*(?:[^*]|\*(?!/))*\*/)*")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORD = re.compile(r"[A-Za-z_]+")
_WORDS: dict[str, Json] = {"true": True, "false": False, "null": None}
_SURROGATE = re.compile("[\ud800-\udfff]")
_LONGEST_NUMBER = 400  # Python refuses integers of more than 4300 digits


class JsonInvalid(Exception):
    """The text is not JSON with comments."""

    def __init__(self, reason: str, at: Position) -> None:
        super().__init__(reason)
        self.reason = reason
        self.at = at


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed text. ``repeated``: keys that were given twice (the last one counts)."""

    value: Json
    positions: dict[Path, Position]
    repeated: tuple[Path, ...]


def parse(data: bytes) -> Document:
    """Read one document. Raises JsonInvalid with the place of the first fault."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        column = error.start - (before.rfind(b"\n") + 1) + 1
        raise JsonInvalid(
            "not UTF-8 text", (before.count(b"\n") + 1, column)
        ) from error
    return _Reader(text).document()


class _Reader:
    """One pass over the text; ``_at`` is the next character."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._lines = [0, *(m.end() for m in re.finditer(r"\r\n|\r|\n", text))]
        self._positions: dict[Path, Position] = {}
        self._repeated: list[Path] = []

    def document(self) -> Document:
        value = self._value(())
        if self._peek():
            raise self._invalid(f"expected the end of the file, found {self._found()}")
        return Document(
            value=value, positions=self._positions, repeated=tuple(self._repeated)
        )

    def _value(self, path: Path) -> Json:
        first = self._peek()
        self._positions.setdefault(path, self._position(self._at))
        if len(path) > _DEEPEST:
            raise self._invalid(f"nested more than {_DEEPEST} levels deep")
        match first:
            case "{":
                return self._object(path)
            case "[":
                return self._array(path)
            case '"':
                return self._string()
            case _:
                return self._scalar()

    def _object(self, path: Path) -> dict[str, Json]:
        start = self._at
        members: dict[str, Json] = {}
        self._at += 1
        while self._peek() != "}":
            if self._peek() != '"':
                raise self._inside(start, "expected a key in double quotes or '}'")
            here = self._position(self._at)
            key = self._string()
            member = (*path, key)
            if key in members:
                self._repeated.append(member)
            self._positions[member] = here
            self._expect(":", "expected ':' after the key")
            members[key] = self._value(member)
            self._separate(start, "}")
        self._at += 1
        return members

    def _array(self, path: Path) -> list[Json]:
        start = self._at
        elements: list[Json] = []
        self._at += 1
        while self._peek() != "]":
            elements.append(self._value((*path, len(elements))))
            self._separate(start, "]")
        self._at += 1
        return elements

    def _separate(self, start: int, end: str) -> None:
        """Pass the comma after a member; it may be missing only before the end."""
        match self._peek():
            case ",":
                self._at += 1
            case found if found != end:
                raise self._inside(start, f"expected ',' or '{end}'")
            case _:
                pass

    def _string(self) -> str:
        found = _STRING.match(self._text, self._at)
        if found is None:
            raise self._invalid(
                "a string is not closed, or holds a line break or control code"
            )
        try:
            value: str = json.loads(found[0])
        except ValueError:
            raise self._invalid(
                "a string with an escape that JSON does not have"
            ) from None
        if _SURROGATE.search(value):
            raise self._invalid("a string with half of a surrogate pair")
        self._at = found.end()
        return value

    def _scalar(self) -> Json:
        if (word := _WORD.match(self._text, self._at)) and word[0] in _WORDS:
            self._at = word.end()
            return _WORDS[word[0]]
        if number := _NUMBER.match(self._text, self._at):
            return self._number(number)
        raise self._invalid(f"expected a value, found {self._found()}")

    def _number(self, found: re.Match[str]) -> int | float:
        if len(found[0]) > _LONGEST_NUMBER:
            raise self._invalid("a number with too many digits")
        value: int | float = json.loads(found[0])
        if isinstance(value, float) and not math.isfinite(value):
            raise self._invalid("a number too large to hold")
        self._at = found.end()
        return value

    def _peek(self) -> str:
        """The next character that is no white space or comment; "" at the end."""
        gap = _GAP.match(self._text, self._at)
        self._at = gap.end() if gap else self._at
        if self._text.startswith("/*", self._at):
            raise self._invalid("a comment is not closed")
        return self._text[self._at : self._at + 1]

    def _expect(self, wanted: str, reason: str) -> None:
        if self._peek() != wanted:
            raise self._invalid(f"{reason}, found {self._found()}")
        self._at += 1

    def _found(self) -> str:
        rest = self._text[self._at : self._at + 1]
        return json.dumps(rest) if rest else "the end of the file"

    def _inside(self, start: int, reason: str) -> JsonInvalid:
        line, column = self._position(start)
        return self._invalid(
            f"{reason}, found {self._found()} "
            f"(inside what opens in line {line}, column {column})"
        )

    def _invalid(self, reason: str) -> JsonInvalid:
        return JsonInvalid(reason, self._position(self._at))

    def _position(self, at: int) -> Position:
        line = bisect_right(self._lines, at)
        return line, at - self._lines[line - 1] + 1
