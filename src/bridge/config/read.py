"""Turns a part of the parsed file into a section of the model.

One walk over values and types together: keys are recognised, texts expanded, types
and ranges checked. Everything wrong is reported; a wrong member is left at its
default, so that the walk can go on and name the next fault too.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import msgspec
from msgspec import inspect

from bridge.config.expand import Commands, expand
from bridge.config.findings import Findings
from bridge.config.jsonc import Json, Path
from bridge.config.section import Reading, Section
from bridge.config.spelling import NOTES, Field, fields_of, suggestion

S = TypeVar("S", bound=Section)

_NOT_GIVEN = msgspec.UNSET
# What a whole number may be: a double holds it exactly, so JSON readers agree on it.
_LARGEST = 2**53


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where the walk is: by the model's spelling, by the file's, and what it means."""

    path: Path
    written: Path
    reading: Reading = Reading()

    def member(self, field: Field, written: str) -> "Place":
        return Place(
            path=(*self.path, field.key),
            written=(*self.written, written),
            reading=field.reading,
        )

    def element(self, step: str | int) -> "Place":
        return Place(
            path=(*self.path, step),
            written=(*self.written, step),
            reading=self.reading,
        )


class Reader:
    """Reads sections under one set of rules for expansion."""

    def __init__(
        self,
        findings: Findings,
        *,
        environment: Mapping[str, str],
        commands: Commands,
        quiet: bool = False,
    ) -> None:
        self._findings = findings
        self._environment = environment
        self._commands = commands
        self._quiet = quiet  # a disabled server's variables concern nobody

    def section(self, kind: type[S], value: Json, path: Path) -> S:
        """The section at ``path``; what is wrong in it is found, and left out."""
        place = Place(path=path, written=self._findings.spelled(path))
        found = self._section(kind, value, place)
        members = {} if isinstance(found, msgspec.UnsetType) else found
        return msgspec.convert(members, kind)

    def _section(
        self, kind: type[Section], value: Json, place: Place
    ) -> dict[str, object] | msgspec.UnsetType:
        if not isinstance(value, dict):
            return self._wrong(place, "an object ({...})", value)
        read: dict[str, object] = {}
        for field, written in self._recognised(kind, value, place):
            inner = place.member(field, written)
            self._findings.written_as(inner.path, inner.written)
            self._report_planned(inner)
            member = self._value(field.kind, value[written], inner)
            if member is not _NOT_GIVEN:
                read[field.key] = member
        return read

    def _recognised(
        self, kind: type[Section], value: dict[str, Json], place: Place
    ) -> Iterator[tuple[Field, str]]:
        """Each field given, with the spelling that counts. ``null`` is not given."""
        fields = fields_of(kind)
        known = {spelling: field for field in fields for spelling in field.spellings}
        for key in value:
            if key not in known and key not in NOTES:
                self._report_unknown(kind, (*place.written, key))
        for field in fields:
            given = [key for key in field.spellings if key in value]
            for other in given[1:]:
                self._findings.warning(
                    (*place.written, other), f"ignored, because {given[0]} is given too"
                )
            if given and value[given[0]] is not None:
                yield field, given[0]

    def _report_unknown(self, kind: type[Section], path: Path) -> None:
        hint = suggestion(str(path[-1]), [field.key for field in fields_of(kind)])
        if kind.strict:
            self._findings.error(path, "unknown key in a section that limits", hint)
        else:
            self._findings.warning(path, "unknown key, ignored", hint)

    def _report_planned(self, place: Place) -> None:
        if place.reading.planned:
            self._findings.warning(
                place.path, "read, but nothing acts on it in this release"
            )

    def _value(self, kind: inspect.Type, value: Json, place: Place) -> object:
        if isinstance(value, str):
            return self._text_value(kind, value, place)
        return self._typed(kind, value, place)

    def _text_value(self, kind: inspect.Type, value: str, place: Place) -> object:
        text, changed = self._expanded(value, place)
        if place.reading.split is not None and _is_list(kind):
            return self._typed(kind, _pieces(text, place.reading.split), place)
        lexical = _lexical(_innermost(kind), text) if changed else text
        return self._typed(kind, lexical, place)

    def _typed(self, kind: inspect.Type, value: Json, place: Place) -> object:
        match inner := _innermost(kind):
            case inspect.StructType(cls=cls) if issubclass(cls, Section):
                return self._section(cls, value, place)
            case inspect.VarTupleType(item_type=item):
                return self._list(item, value, place)
            case inspect.DictType(value_type=item):
                return self._mapping(item, value, place)
            case inspect.CustomType():
                return self._free(value, place)
            case _:
                return self._scalar(inner, value, place)

    def _scalar(self, kind: inspect.Type, value: Json, place: Place) -> object:
        match kind:
            case inspect.LiteralType(values=choices):
                return self._choice([str(c) for c in choices], value, place)
            case inspect.IntType() | inspect.FloatType():
                return self._number(kind, value, place)
            case inspect.BoolType():
                return self._simple(bool, "true or false", value, place=place)
            case _:
                return self._simple(str, "text", value, place=place)

    def _list(self, item: inspect.Type, value: Json, place: Place) -> object:
        if not isinstance(value, list):
            return self._wrong(place, "a list ([...])", value)
        read = [
            self._value(item, element, place.element(index))
            for index, element in enumerate(value)
        ]
        return [element for element in read if element is not _NOT_GIVEN]

    def _mapping(self, item: inspect.Type, value: Json, place: Place) -> object:
        if not isinstance(value, dict):
            return self._wrong(place, "an object ({...})", value)
        read = {
            key: self._value(item, member, place.element(key))
            for key, member in value.items()
        }
        return {key: found for key, found in read.items() if found is not _NOT_GIVEN}

    def _free(self, value: Json, place: Place) -> Json:
        """A value whose shape is somebody else's; its texts are expanded."""
        match value:
            case str():
                return self._expanded(value, place)[0]
            case list():
                return [self._free(v, place.element(i)) for i, v in enumerate(value)]
            case dict():
                return {k: self._free(v, place.element(k)) for k, v in value.items()}
            case _:
                return value

    def _choice(self, choices: list[str], value: Json, place: Place) -> object:
        if not isinstance(value, str):
            return self._wrong(place, "text", value)
        known = {**place.reading.values, **{choice: choice for choice in choices}}
        folded = {word.lower(): choice for word, choice in known.items()}
        if found := folded.get(value.strip().lower()):
            return found
        shown = self._findings.shown(place.path, value)
        hint = suggestion(value, choices) if shown.startswith('"') else ""
        return self._refuse(
            place,
            f"{shown} is not known here",
            hint or f"known: {', '.join(choices)}",
        )

    def _simple(
        self, kind: type[str | bool], wanted: str, value: Json, *, place: Place
    ) -> object:
        return value if isinstance(value, kind) else self._wrong(place, wanted, value)

    def _number(
        self, kind: inspect.IntType | inspect.FloatType, value: Json, place: Place
    ) -> object:
        wanted = "a whole number" if isinstance(kind, inspect.IntType) else "a number"
        if isinstance(value, bool) or not isinstance(value, int | float):
            return self._wrong(place, wanted, value)
        if isinstance(kind, inspect.IntType) and value != math.floor(value):
            return self._refuse(place, "expected a whole number, found a fraction")
        if not _in_range(kind, value) or abs(value) > _LARGEST:
            return self._refuse(place, f"out of range: it must be {_range(kind)}")
        return int(value) if isinstance(kind, inspect.IntType) else float(value)

    def _expanded(self, value: str, place: Place) -> tuple[str, bool]:
        """The text after expansion, and whether anything was expanded in it."""
        result = expand(value, environment=self._environment, commands=self._commands)
        if not result.changed:
            return value, False
        self._findings.expanded(place.path)
        if not self._quiet:
            self._blame(place, result.unset, result.faults)
        return result.text, True

    def _blame(
        self, place: Place, unset: tuple[str, ...], faults: tuple[str, ...]
    ) -> None:
        report: Callable[[Path, str, str], None] = (
            self._findings.error if place.reading.needed else self._findings.warning
        )
        for name in unset:
            report(
                place.path,
                f"the variable {name} is not set",
                f"set it, or give a default: ${{{name}:default}}",
            )
        for fault in faults:
            self._findings.error(place.path, fault)

    def _wrong(self, place: Place, wanted: str, value: Json) -> msgspec.UnsetType:
        return self._refuse(place, f"expected {wanted}, found {_found(value)}")

    def _refuse(self, place: Place, reason: str, hint: str = "") -> msgspec.UnsetType:
        self._findings.error(place.path, reason, hint)
        return _NOT_GIVEN


def _innermost(kind: inspect.Type) -> inspect.Type:
    """The type inside "or nothing"; null never gets this far."""
    if isinstance(kind, inspect.UnionType):
        return next(t for t in kind.types if not isinstance(t, inspect.NoneType))
    return kind


def _is_list(kind: inspect.Type) -> bool:
    return isinstance(_innermost(kind), inspect.VarTupleType)


def _pieces(text: str, separator: str) -> list[Json]:
    pieces = text.split(separator or None)
    return [piece.strip() for piece in pieces if piece.strip()]


def _lexical(kind: inspect.Type, text: str) -> Json:
    """An expanded text where a number or a switch is wanted is read as one."""
    match kind:
        case inspect.BoolType():
            return {"true": True, "false": False}.get(text.strip().lower(), text)
        case inspect.IntType() | inspect.FloatType():
            return _as_number(text)
        case _:
            return text


def _as_number(text: str) -> Json:
    try:
        value = float(text)
    except ValueError:
        return text
    return value if math.isfinite(value) else text


def _in_range(kind: inspect.IntType | inspect.FloatType, value: float) -> bool:
    return (
        (kind.ge is None or value >= kind.ge)
        and (kind.gt is None or value > kind.gt)
        and (kind.le is None or value <= kind.le)
    )


def _range(kind: inspect.IntType | inspect.FloatType) -> str:
    least = f"more than {kind.gt}" if kind.gt is not None else f"at least {kind.ge}"
    bounds = [
        least if (kind.gt, kind.ge) != (None, None) else "",
        f"at most {kind.le}" if kind.le is not None else "",
    ]
    return " and ".join(bound for bound in bounds if bound) or "a number that fits"


def _found(value: Json) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "an object"
