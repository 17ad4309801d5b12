"""Names under one namespace: how they are made and what wins. Pure.

A name is made once, when the table is built, and looked up there ever after: nothing
ever splits a name at its separator (R120).
"""

import re
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import TypeVar

from bridge.errors import BridgeError

#: The longest tool name clients accept, and its characters (protocol 4.5).
MAX_NAME = 128
_LEGAL = re.compile(r"[A-Za-z0-9_.-]{1,128}\Z")
_ILLEGAL_CHARACTER = re.compile(r"[^A-Za-z0-9_.-]")
_HASH_DIGITS = 8

T = TypeVar("T")


class NameConflict(BridgeError):
    """Two upstreams offer one name and the policy is ``error``."""

    code = "routing.name_conflict"


def exposed_name(namespace: str, separator: str, name: str) -> str:
    """The name clients see: legal, at most 128 characters, stable.

    A name that is too long or has a character clients refuse keeps a legal prefix and
    gets ``_`` and eight hex digits of its SHA-256, so that two such names stay apart.
    """
    full = f"{namespace}{separator}{name}" if namespace else name
    if _LEGAL.match(full):
        return full
    digest = sha256(full.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_DIGITS]
    prefix = _ILLEGAL_CHARACTER.sub("_", full)[: MAX_NAME - _HASH_DIGITS - 1]
    return f"{prefix}_{digest}"


def winner(
    name: str,
    contenders: Sequence[T],
    *,
    policy: str,
    priority: Callable[[T], int],
    owner: Callable[[T], str],
) -> T:
    """Which of several upstreams in configuration order owns ``name``.

    Raises `NameConflict` under the policy ``error``.
    """
    if policy == "error":
        owners = ", ".join(owner(contender) for contender in contenders)
        raise NameConflict(
            f"the name {name!r} is offered by {owners}; give one of them another "
            "namespace, or choose another conflictResolution"
        )
    if policy == "priority":
        return min(contenders, key=priority)  # min keeps the earliest of equals
    return contenders[0]
