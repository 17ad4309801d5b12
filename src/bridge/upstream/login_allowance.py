"""How often a person is asked to log in without having asked for it. Pure.

Every login asked of a person opens a page of their browser. A server that takes each
new token once and then refuses it, or whose tokens live for a second, would have one
page after the other opened, and a provider that knows the person sends each of them
back at once: nobody but us can end that.
"""

from collections import deque

#: So many within `PERIOD`; after these an operator begins the next one.
MOST = 5
PERIOD = 3600.0


class LoginAllowance:
    """Times are monotonic seconds."""

    def __init__(self) -> None:
        self._asked: deque[float] = deque(maxlen=MOST)

    def allows(self, now: float) -> bool:
        """Whether a person may be asked once more."""
        return len(self._asked) < MOST or now - self._asked[0] >= PERIOD

    def note(self, now: float) -> None:
        """A person was asked."""
        self._asked.append(now)

    def renew(self) -> None:
        """An operator wants a login: somebody is there."""
        self._asked.clear()
