"""JSON Schema and reference tables, made from the model.

``python -m bridge.config.schema`` rewrites ``configs/schema.json`` and the tables in
``docs/configuration.md``; a test fails when either is stale.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import msgspec
from msgspec import inspect

from bridge.config.model import BridgeConfig, UpstreamConfig
from bridge.config.section import Section
from bridge.config.spelling import NOTES, Field, fields_of

Schema = dict[str, object]

SCHEMA_FILE = Path("configs/schema.json")
REFERENCE_FILE = Path("docs/configuration.md")
BEGIN = "<!-- generated: begin -->"
END = "<!-- generated: end -->"

# A number or a switch may also be written as a text that expands to one.
_EXPANDED: Schema = {"type": "string", "pattern": r"\$[{(]"}


def schema() -> Schema:
    """The schema of the whole file, as JSON-able data."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Bridge configuration",
        "type": "object",
        "required": ["mcpServers"],
        "properties": {
            "$schema": {"type": "string"},
            "mcpServers": {
                "description": "Name to server.",
                "type": "object",
                "additionalProperties": {"$ref": "#/$defs/UpstreamConfig"},
            },
            "bridge": {"$ref": "#/$defs/BridgeConfig"},
        },
        "additionalProperties": False,
        "$defs": {kind.__name__: _section(kind) for kind in sections()},
    }


def sections() -> tuple[type[Section], ...]:
    """Every kind of section, outer before inner, each once."""
    found: dict[type[Section], None] = {}
    waiting: list[type[Section]] = [UpstreamConfig, BridgeConfig]
    while waiting:
        kind = waiting.pop(0)
        found.setdefault(kind)
        waiting += [inner for _, inner in _nested(kind) if inner not in found]
    return tuple(found)


def _nested(kind: type[Section]) -> Iterator[tuple[Field, type[Section]]]:
    for field in fields_of(kind):
        inner = inside(field.kind)
        if isinstance(inner, inspect.StructType):
            yield field, cast("type[Section]", inner.cls)


def inside(kind: inspect.Type) -> inspect.Type:
    """What a list lists, and what is there if anything is."""
    match kind:
        case inspect.UnionType(types=types):
            return next(t for t in types if not isinstance(t, inspect.NoneType))
        case inspect.VarTupleType(item_type=item):
            return item
        case _:
            return kind


def _section(kind: type[Section]) -> Schema:
    properties: Schema = {}
    for field in fields_of(kind):
        properties[field.key] = _property(field)
        for spelling in field.spellings[1:]:
            properties[spelling] = {
                "$ref": f"#/$defs/{kind.__name__}/properties/{field.key}",
                "deprecated": True,
                "description": f"Read as {field.key}.",
            }
    return {
        "type": "object",
        "description": (kind.__doc__ or "").partition("\n")[0],
        "properties": properties,
        "patternProperties": {f"^({'|'.join(map(_literal, sorted(NOTES)))})$": {}},
        "additionalProperties": False,
    }


def _literal(word: str) -> str:
    return word.replace("$", r"\$")


def _property(field: Field) -> Schema:
    shape = _shape(field.kind, field)
    default = _default(field)
    return {
        "description": field.description,
        **({"anyOf": shape} if len(shape) > 1 else shape[0]),
        **({} if default is None else {"default": default}),
    }


def _default(field: Field) -> object:
    if isinstance(field.kind, inspect.StructType):
        return None  # its members have their own
    return msgspec.to_builtins(field.default)


def _shape(kind: inspect.Type, field: Field | None = None) -> list[Schema]:
    """The alternatives of a type, as schemas."""
    match kind:
        case inspect.UnionType(types=types):
            return [shape for inner in types for shape in _shape(inner, field)]
        case inspect.NoneType():
            return [{"type": "null"}]
        case inspect.StructType(cls=cls):
            return [{"$ref": f"#/$defs/{cls.__name__}"}]
        case _:
            return _collection(kind, field)


def _collection(kind: inspect.Type, field: Field | None) -> list[Schema]:
    match kind:
        case inspect.VarTupleType(item_type=item):
            items: Schema = {"type": "array", "items": _one(item)}
            split = field is not None and field.reading.split is not None
            return [items, {"type": "string"}] if split else [items]
        case inspect.DictType(value_type=item):
            return [{"type": "object", "additionalProperties": _one(item)}]
        case _:
            return _scalar(kind, field)


def _one(kind: inspect.Type) -> Schema:
    shape = _shape(kind)
    return shape[0] if len(shape) == 1 else {"anyOf": shape}


def _scalar(kind: inspect.Type, field: Field | None) -> list[Schema]:
    match kind:
        case inspect.LiteralType(values=values):
            others = list(field.reading.values) if field else []
            return [{"enum": [*values, *others]}, _EXPANDED]
        case inspect.BoolType():
            return [{"type": "boolean"}, _EXPANDED]
        case inspect.IntType() | inspect.FloatType():
            return [_number(kind), _EXPANDED]
        case inspect.StrType():
            return [{"type": "string"}]
        case _:
            return [{}]


def _number(kind: inspect.IntType | inspect.FloatType) -> Schema:
    bounds = {
        "minimum": kind.ge,
        "exclusiveMinimum": kind.gt,
        "maximum": kind.le,
    }
    return {
        "type": "integer" if isinstance(kind, inspect.IntType) else "number",
        **{name: bound for name, bound in bounds.items() if bound is not None},
    }


def reference() -> str:
    """The reference: one table for each section, in Markdown."""
    tops = (("mcpServers.<name>", UpstreamConfig), ("bridge", BridgeConfig))
    return "\n\n".join(table for path, kind in tops for table in _tables(path, kind))


def _tables(path: str, kind: type[Section]) -> Iterator[str]:
    rows = "\n".join(_row(field) for field in fields_of(kind))
    head = "| key | value | default | meaning |\n|---|---|---|---|"
    yield f"### `{path}`\n\n{(kind.__doc__ or '').strip()}\n\n{head}\n{rows}"
    for field, inner in _nested(kind):
        several = "[]" if isinstance(field.kind, inspect.VarTupleType) else ""
        yield from _tables(f"{path}.{field.key}{several}", inner)


def _row(field: Field) -> str:
    meaning = field.description
    if others := field.reading.aliases:
        meaning += f" Also read: {', '.join(f'`{name}`' for name in others)}."
    if others := field.reading.values:
        meaning += f" Also read as values: {', '.join(f'`{v}`' for v in others)}."
    if field.reading.planned:
        meaning += " **Planned**: read and checked, but not acted on in this release."
    default = "" if isinstance(field.kind, inspect.StructType) else _shown(field)
    return f"| `{field.key}` | {_words(field.kind)} | {default} | {meaning} |"


def _shown(field: Field) -> str:
    if field.default is None:
        return "absent"
    return f"`{json.dumps(msgspec.to_builtins(field.default))}`"


def _words(kind: inspect.Type) -> str:
    """The type for people."""
    match kind:
        case inspect.UnionType(types=types):
            return next(_words(t) for t in types if not isinstance(t, inspect.NoneType))
        case inspect.LiteralType(values=values):
            return ", ".join(f"`{value}`" for value in values)
        case inspect.VarTupleType(item_type=inspect.StructType()):
            return "list of sections"
        case inspect.VarTupleType():
            return "list of texts"
        case inspect.DictType():
            return "object"
        case _:
            return _plain_words(kind)


def _plain_words(kind: inspect.Type) -> str:
    match kind:
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return "whole number"
        case inspect.FloatType():
            return "number"
        case inspect.StructType():
            return "section"
        case _:
            return "text"


def schema_text() -> str:
    return json.dumps(schema(), indent=2) + "\n"


def with_reference(page: str) -> str:
    """The page with the generated part between its markers renewed."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{reference()}\n\n{END}{after}"


def main() -> None:
    """Rewrite both files, from the root of the repository."""
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
    page = REFERENCE_FILE.read_text(encoding="utf-8")
    REFERENCE_FILE.write_text(with_reference(page), encoding="utf-8")
    sys.stdout.write(f"wrote {SCHEMA_FILE} and {REFERENCE_FILE}\n")


if __name__ == "__main__":
    main()
