"""What an operator says of definitions that are held back, and what comes of it."""

from typing import Literal

import msgspec

PinnedKind = Literal["tools", "prompts"]


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """One definition, and the hash of the text a person has read."""

    kind: PinnedKind
    key: str
    hash: str


class Approved(msgspec.Struct, frozen=True, kw_only=True):
    """What came of approvals: they are in force.

    ``misfits`` fit nothing that is held back (any more). ``trouble``: why the rest
    could not be written down, so that it lasts until the next start only.
    """

    approved: tuple[Approval, ...] = ()
    misfits: tuple[Approval, ...] = ()
    trouble: str = ""
