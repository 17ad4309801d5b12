"""Which keys of a section differ: names as the file spells them, never values. Pure."""

from collections.abc import Iterator, Mapping
from typing import cast

from bridge.config.section import Section

#: Their keys are names too: of a variable, of a header.
_NAMED = frozenset({"env", "headers"})
_Texts = Mapping[str, str]


def changed_keys(old: Section, new: Section) -> tuple[str, ...]:
    """The keys in which two sections of one kind differ: ``args``, ``oauth.issuer``,
    ``env.API_KEY``."""
    return tuple(_changed(old, new))


def _changed(old: Section, new: Section) -> Iterator[str]:
    spelled = zip(old.__struct_fields__, old.__struct_encode_fields__, strict=True)
    for field, name in spelled:
        before, after = getattr(old, field), getattr(new, field)
        if before != after:
            yield from _of_field(name, before, after)


def _of_field(name: str, before: object, after: object) -> Iterator[str]:
    if isinstance(before, Section) and isinstance(after, Section):
        yield from (f"{name}.{inner}" for inner in _changed(before, after))
    elif name in _NAMED:
        names = _differing(cast("_Texts", before), cast("_Texts", after))
        yield from (f"{name}.{inner}" for inner in names)
    else:
        yield name


def _differing(before: _Texts, after: _Texts) -> Iterator[str]:
    for key in dict.fromkeys([*before, *after]):
        if before.get(key) != after.get(key):
            yield key
