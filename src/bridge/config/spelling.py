"""Which keys of the file mean which field: names, older names, both letter styles."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import cast

import msgspec
from msgspec import inspect
from msgspec.structs import asdict
from rapidfuzz import fuzz, process

from bridge.config.section import READING, Reading, Section

# Below this likeness (of 100) a suggestion would puzzle more than help.
_LIKE_ENOUGH = 70.0

# Read everywhere and ignored: editors and people leave notes under them.
NOTES = frozenset({"$schema", "$comment", "_comment", "comment", "description"})


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field as the file may spell it, the preferred spelling first."""

    key: str
    spellings: tuple[str, ...]
    kind: inspect.Type
    reading: Reading
    description: str
    default: object


@lru_cache(maxsize=64)
def fields_of(section: type[Section]) -> tuple[Field, ...]:
    """The fields of a section, in the order of the model."""
    info = inspect.type_info(section)
    assert isinstance(info, inspect.StructType)
    return tuple(
        _field(field) for field in info.fields if field.name not in section.not_in_file
    )


def _field(field: inspect.Field) -> Field:
    kind = field.type
    assert isinstance(kind, inspect.Metadata), f"{field.name} has no description"
    notes = asdict(kind)  # read so, because the stub leaves these two untyped
    extra = cast("Mapping[str, object]", notes["extra"] or {})
    schema = cast("Mapping[str, object]", notes["extra_json_schema"])
    reading = extra.get(READING, Reading())
    assert isinstance(reading, Reading)
    return Field(
        key=field.encode_name,
        spellings=_spellings((field.encode_name, *reading.aliases)),
        kind=kind.type,
        reading=reading,
        description=str(schema["description"]),
        default=_default(field),
    )


def _default(field: inspect.Field) -> object:
    factory = field.default_factory
    return field.default if factory is msgspec.NODEFAULT else factory()


def _spellings(names: tuple[str, ...]) -> tuple[str, ...]:
    styles = [(name, camel(name), snake(name)) for name in names]
    return tuple(dict.fromkeys(spelling for each in styles for spelling in each))


def camel(key: str) -> str:
    first, *rest = key.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def snake(key: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z]+)", lambda m: "_" + m[1], key).lower()


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    found = process.extractOne(
        word,
        sorted(known),
        scorer=fuzz.ratio,
        processor=_folded,
        score_cutoff=_LIKE_ENOUGH,
    )
    return found[0] if found else None


def _folded(word: str) -> str:
    return re.sub(r"[-_ ]", "", word).lower()


def suggestion(word: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known word, or them all when they are few."""
    words = sorted(known)
    near = nearest(word, words)
    if near is not None:
        return f"did you mean {near}?"
    few = 14  # as many as fit a line
    return f"known: {', '.join(words)}" if len(words) <= few else ""
