"""What all sessions together want of each upstream: updates of URIs, a log level."""

from bridge.contract.upstream import LogLevel, Subscriptions
from bridge.protocol import methods
from bridge.router.board import Board
from bridge.router.relay import tell
from bridge.router.session import Sessions
from bridge.router.target import owner_of

_NO_URIS = Subscriptions(uris=frozenset())
_NO_LEVEL = LogLevel(level=None)


class Interests:
    """Tells upstreams that are up, and each only what has changed for it.

    ``moved``: sessions, owners or upstreams have changed since they were told.
    """

    def __init__(self, board: Board, sessions: Sessions) -> None:
        self.moved = False
        self._board = board
        self._sessions = sessions
        # What an upstream was told last; None: not known, so it is told again.
        self._told: dict[str, Subscriptions | None] = {}
        self._told_level: dict[str, LogLevel | None] = {}

    def doubt(self, name: str) -> None:
        """Somebody else told this upstream, nobody knows what."""
        self._told[name] = self._told_level[name] = None

    def forget(self, name: str) -> None:
        """The upstream has been told nothing: it is gone, or a fresh actor."""
        self._told.pop(name, None)
        self._told_level.pop(name, None)

    def tell(self) -> None:
        """Tell what is wanted now."""
        self.moved = False
        wanted, level = self._wanted()
        for name, presence in self._board.presences.items():
            if not presence.up:
                continue
            uris = Subscriptions(uris=frozenset(wanted.get(name, ())))
            if self._told.get(name, _NO_URIS) != uris:
                self._told[name] = uris
                tell(presence.address, uris)
            if self._told_level.get(name, _NO_LEVEL) != level:
                self._told_level[name] = level
                tell(presence.address, level)

    def _wanted(self) -> tuple[dict[str, set[str]], LogLevel]:
        wanted: dict[str, set[str]] = {}
        levels: list[str] = []
        for session in self._sessions.all():
            if session.log_level is not None:
                levels.append(session.log_level)
            if not session.subscriptions:
                continue
            table = self._board.table(session.view)
            for uri in session.subscriptions:
                route = owner_of(table, session.learned_owner, uri)
                if route is not None:
                    wanted.setdefault(route.upstream, set()).add(uri)
        level = min(levels, key=methods.LOG_LEVELS.index, default=None)
        return wanted, LogLevel(level=level)
