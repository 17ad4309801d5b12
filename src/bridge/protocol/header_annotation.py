"""``x-mcp-header``: which arguments of a tool are mirrored into HTTP headers. Pure.

A schema may mark a parameter so that its value also travels as ``Mcp-Param-<name>``
(MCP 2026-07-28, streamable HTTP). A mark that breaks a rule makes the whole tool
unusable: a client must leave it out, and that tool only (C38).

The rules: the mark stands on a property that is reached from the root through
``properties`` alone; its value is a header name (RFC 9110, section 5.6.2), used once in
the schema whatever its case; the property is a string, an integer or a boolean.
"""

import re
from collections.abc import Iterator
from typing import Any, cast

import msgspec
from msgspec import Raw

KEY = "x-mcp-header"

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_TYPES = ("string", "integer", "boolean")  # compared, since any JSON may stand there
#: What holds values, not schemas: a mark in there is none.
_VALUES = frozenset({"const", "default", "enum", "examples", "required"})
#: Whose members are named by the author of the schema: their names mean nothing.
_NAMED = frozenset(
    {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
)
#: Any letter of the mark may be written as an escape.
_MAY_MARK = re.compile(rb"x-mcp-header|\\u00[2-7]")
_SHOWN = 60


def objection(schema: Raw | None) -> str:
    """What is wrong with the marks of an input schema; empty: nothing."""
    if schema is None or not _MAY_MARK.search(bytes(schema)):
        return ""
    try:
        tree = msgspec.json.decode(schema)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
        return f"{KEY} in a schema that cannot be read"
    taken: set[str] = set()
    for path, found in _schemas(tree, ()):
        if KEY in found and (reason := _wrong(found, path, taken)):
            return reason
    return ""


#: Where a schema stands: the properties on the way; None: reached otherwise.
_Path = tuple[str, ...] | None


def _schemas(tree: Any, path: _Path) -> Iterator[tuple[_Path, dict[str, Any]]]:
    """Every schema in a schema. References are not followed: they name others of it,
    or lie elsewhere and are never fetched (C36)."""
    if not isinstance(tree, dict):
        return
    schema = cast("dict[str, Any]", tree)
    yield path, schema
    for word, value in schema.items():
        if word in _VALUES:
            continue
        if isinstance(value, dict) and word in _NAMED:
            inner = cast("dict[str, Any]", value)
            yield from _named(inner, path if word == "properties" else None)
        elif isinstance(value, list):
            for each in cast("list[Any]", value):
                yield from _schemas(each, None)
        else:
            yield from _schemas(value, None)


def _named(
    schemas: dict[str, Any], path: _Path
) -> Iterator[tuple[_Path, dict[str, Any]]]:
    for name, schema in schemas.items():
        yield from _schemas(schema, None if path is None else (*path, name))


def _wrong(schema: dict[str, Any], path: _Path, taken: set[str]) -> str:
    header = schema[KEY]
    if not path:
        return f"{KEY} where no parameter is"
    if not isinstance(header, str) or _HEADER_NAME.fullmatch(header) is None:
        return f"{KEY} of {path[-1][:_SHOWN]!r} is no header name"
    if schema.get("type") not in _TYPES:
        return f"{KEY} of {path[-1][:_SHOWN]!r}, which is no text, integer or boolean"
    if header.lower() in taken:
        return f"{KEY} names {header[:_SHOWN]!r} twice"
    taken.add(header.lower())
    return ""
