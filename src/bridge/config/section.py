"""What every section of the configuration file is made of.

A field's ``Meta`` carries its description (the reference and the schema are
generated from it), its range, and in ``extra`` what only the reader knows:

- ``aliases``: other keys that are read, the first given wins after the field's own
- ``values``: other spellings of a value
- ``split``: a single text is accepted and split at this ("" means white space)
- ``needed``: an unset variable in it leaves the server out (R20)
- ``planned``: read and checked, but nothing acts on it in this release
"""

from typing import ClassVar

import msgspec

MILLISECONDS = 1_000.0

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
        "prompt_arguments",
        "token",
        "tool_arguments",
        "url",
        "username",
    }
)


def about(
    description: str,
    *,
    ge: int | None = None,
    gt: int | None = None,
    le: int | None = None,
    **extra: object,
) -> msgspec.Meta:
    """The ``Meta`` of one field."""
    more = extra or None
    if gt is not None:
        return msgspec.Meta(description=description, gt=gt, le=le, extra=more)
    return msgspec.Meta(description=description, ge=ge, le=le, extra=more)


class Section(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A frozen part of the configuration whose ``repr`` shows no secret."""

    not_in_file: ClassVar[frozenset[str]] = frozenset()

    def __repr__(self) -> str:
        shown = (
            f"{name}={_shown(name, getattr(self, name))}"
            for name in self.__struct_fields__
        )
        return f"{type(self).__name__}({', '.join(shown)})"


def _shown(name: str, value: object) -> str:
    return "<hidden>" if value and name in _HIDDEN else repr(value)
