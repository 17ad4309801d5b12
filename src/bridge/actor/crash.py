"""What is said of an exception that ended a child."""

from typing import cast

from bridge.errors import BridgeError

_MAX_LINE = 300  # characters; a group may hold thousands of members


def describe(error: BaseException) -> str:
    """One line for status and logs: free of secrets.

    Only a `BridgeError` promises that its message may be shown; of anything else the
    class is named, of a group the classes of its members.
    """
    return _name(error)[:_MAX_LINE]


def _name(error: BaseException) -> str:
    if isinstance(error, BridgeError):
        return f"{error.code}: {error.public}"
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return f"{type(group).__name__}({', '.join(map(_name, group.exceptions))})"
    return type(error).__qualname__
