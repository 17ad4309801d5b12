"""What is said of an exception that ended a child."""

import traceback
from typing import cast

from bridge.errors import BridgeError

_MAX_FRAMES = 40  # of each traceback in a chain: enough for any stack of ours
_MAX_LINE = 300  # characters; a group may hold thousands of members
_MAX_TRACE = 16_384  # characters of one log field; the end tells the most


def describe(error: BaseException) -> str:
    """One line for status and logs: free of secrets.

    Only a `BridgeError` promises that its message may be shown; of anything else the
    class is named, of a group the classes of its members.
    """
    return _name(error)[:_MAX_LINE]


def trace(error: BaseException) -> str:
    """The traceback without local variables, bounded. For the log only."""
    report = traceback.TracebackException.from_exception(
        error, limit=-_MAX_FRAMES, capture_locals=False, compact=True
    )
    return "".join(report.format())[-_MAX_TRACE:]


def _name(error: BaseException) -> str:
    if isinstance(error, BridgeError):
        return f"{error.code}: {error.public}"
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return f"{type(group).__name__}({', '.join(map(_name, group.exceptions))})"
    return type(error).__qualname__
