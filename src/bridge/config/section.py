"""What every section of the configuration file is made of."""

from collections.abc import Mapping
from typing import ClassVar, TypedDict, Unpack

import msgspec

MILLISECONDS = 1_000.0
READING = "reading"  # the key of Reading in a field's Meta.extra

# Never shown by repr: credentials, and the members that often carry them (R53).
_HIDDEN = frozenset(
    {
        "additional_params",
        "args",
        "client_secret",
        "env",
        "headers",
        "key",
        "password",
        "private_key",
        "prompt_arguments",
        "token",
        "tool_arguments",
        "url",
        "username",
    }
)


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What only the reader of the file needs to know of a field."""

    aliases: tuple[str, ...] = ()  # other keys, after the field's own
    values: Mapping[str, str] = {}  # other spellings of a value
    split: str | None = None  # one text is taken too, split here ("": white space)
    needed: bool = False  # an unset variable in it leaves the server out (R20)
    planned: bool = False  # read and checked, but nothing acts on it yet


class _Bounds(TypedDict, total=False):
    ge: int
    gt: int
    le: int


def about(
    description: str, reading: Reading | None = None, **bounds: Unpack[_Bounds]
) -> msgspec.Meta:
    """The ``Meta`` of one field: the reference and the schema are made from it."""
    extra = {READING: reading} if reading else None
    if "gt" in bounds:
        return msgspec.Meta(
            description=description, gt=bounds["gt"], le=bounds.get("le"), extra=extra
        )
    return msgspec.Meta(
        description=description,
        ge=bounds.get("ge"),
        le=bounds.get("le"),
        extra=extra,
    )


NEEDED = Reading(needed=True)
PLANNED = Reading(planned=True)


class Section(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A frozen part of the configuration whose ``repr`` shows no secret."""

    not_in_file: ClassVar[frozenset[str]] = frozenset()
    #: A limit that is misspelt would be none: an unknown key in it is an error.
    strict: ClassVar[bool] = False

    def __repr__(self) -> str:
        shown = (
            f"{name}={_shown(name, getattr(self, name))}"
            for name in self.__struct_fields__
        )
        return f"{type(self).__name__}({', '.join(shown)})"


def _shown(name: str, value: object) -> str:
    return "<hidden>" if value and name in _HIDDEN else repr(value)
