"""What an operator says of definitions that are held back, and what comes of it."""

from typing import Literal, Protocol

import msgspec

from bridge.observe.status import PinStatus

PinnedKind = Literal["tools", "prompts"]


def shortened(digest: str) -> str:
    """So much of a hash as people compare, in the log and on the screen."""
    return digest[:12]


def singular(kind: str) -> str:
    """What one of a kind is called: ``tool``, of ``tools``."""
    return kind.removesuffix("s")


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


class PinControl(Protocol):
    """What may be asked of the pins of a running bridge."""

    def pins(self) -> tuple[PinStatus, ...]:
        """Every server whose definitions are pinned."""
        ...

    async def approve(self, name: str, wanted: tuple[Approval, ...]) -> Approved | None:
        """Serve these from now on. None: no such pinned server. Bounded.

        ``name``: of the server, or as it stands in addresses.
        """
        ...
