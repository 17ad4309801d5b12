"""What is told of an upstream's login. Pure."""

from math import inf, isinf

from bridge.oauth.lifecycle import Phase, State
from bridge.oauth.schedule import Moment
from bridge.observe.status import OAuthStatus
from bridge.upstream.login import Invitation


def status_of(
    state: State,
    *,
    name: str,
    invitation: Invitation | None,
    logins: int,
    now: Moment,
) -> OAuthStatus:
    """``invitation``: where a person may log in now; ``logins``: how many began."""
    held = state.credential
    pending = state.logging_in and invitation is not None
    renewed = state.phase in {Phase.VALID, Phase.STALE} and state.refreshable
    due = state.due_in(now) if renewed else inf
    return OAuthStatus(
        name=name,
        state="login_pending" if pending else state.phase.value,
        expires_at=None if held is None else held.tokens.expires_at,
        refresh_at=None if isinf(due) else now.wall + due,
        scopes=() if held is None else tuple(held.tokens.scope.split()),
        issuer="" if held is None else held.issuer,
        login_url="" if invitation is None else invitation.url,
        user_code="" if invitation is None else invitation.user_code,
        last_error=state.reason,
        generation=state.generation,
        serving=state.serving,
        logging_in=state.logging_in,
        logins=logins,
    )
