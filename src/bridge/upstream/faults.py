"""What a call is told when it gets no answer from its upstream. Pure."""

from bridge.errors import (
    AnswerUnreadable,
    BridgeError,
    CallTimeout,
    ConnectFailed,
    Forbidden,
    HeldBack,
    LinkBusy,
    LinkError,
    LinkTimeout,
    LoginNeeded,
    Overloaded,
    RequestRefused,
    SessionLost,
    Unauthorized,
    UpstreamLost,
    UpstreamUnavailable,
)

LOGIN_REASON = "asks for a login; configure headers/authentication or oauth"
_SHOWN = 100  # of a name an upstream chose
_SERVER_FAULT = 500
_TOO_MANY = 429
_UNAVAILABLE = 503


def lost(name: str, reason: str, *, written: bool) -> UpstreamLost:
    """The link went away under a call."""
    return UpstreamLost(
        f"the connection to {name} was lost ({reason}); {_ran(written=written)}",
        upstream=name,
        written=written,
    )


def failed(name: str, reason: str) -> UpstreamLost:
    """An answer came that says nothing of the call but that something went wrong."""
    return UpstreamLost(
        f"{name} failed ({reason}); {_ran(written=True)}", upstream=name, written=True
    )


def _ran(*, written: bool) -> str:
    return f"the request {'may or may not have run' if written else 'did not run'}"


def unreadable(name: str, reason: str) -> UpstreamLost:
    """An answer came, but it cannot be passed on."""
    return UpstreamLost(
        f"the answer of {name} cannot be read ({reason}); the request has run or has "
        "failed there",
        upstream=name,
        written=True,
    )


def overloaded(name: str, what: str, *, retry_after: float | None = None) -> Overloaded:
    """A bound was reached."""
    return Overloaded(
        f"{name} is overloaded: {what}; nothing ran",
        upstream=name,
        retry_after=retry_after,
    )


def asks_patience(error: BridgeError) -> float | None:
    """For how many seconds a server wants to be left alone (Retry-After); None: not.

    Only 429 and 503 mean that: other statuses use the header for other things.
    """
    match error:
        case RequestRefused() if error.status in {_TOO_MANY, _UNAVAILABLE}:
            return error.retry_after
        case ConnectFailed():
            return error.retry_after
        case _:
            return None


def timed_out(name: str, *, written: bool = True) -> CallTimeout:
    """A call's deadline passed. Not ``written``: it was taken back in time."""
    return CallTimeout(
        f"{name} did not answer in time; the request may or may not have run"
        if written
        else f"{name} did not take the request in time; it did not run",
        upstream=name,
        written=written,
    )


def unavailable(
    name: str,
    reason: str,
    *,
    state: str,
    retry_after: float | None = None,
    written: bool = False,
) -> UpstreamUnavailable:
    """The upstream is not there; nothing was executed unless ``written``."""
    # "is connected" would be no reason
    what = "did not take the call" if state == "connected" else f"is {state}"
    return UpstreamUnavailable(
        f"{name} {what}: {reason or 'not ready'}; {_ran(written=written)}",
        upstream=name,
        state=state,
        retry_after=retry_after,
        written=written,
    )


def login_needed(name: str, reason: str = LOGIN_REASON) -> LoginNeeded:
    """The operator has to act; nothing was executed."""
    return LoginNeeded(f"{name} {reason}", upstream=name, state="auth_required")


def held_back(name: str, kind: str, key: str) -> HeldBack:
    """The operator has to look at what has changed; nothing was executed."""
    return HeldBack(
        f"the {kind} {key[:_SHOWN]!r} of {name} is held back: its definition has "
        "changed, or is new, and the operator of the bridge has not approved it",
        upstream=name,
        state="held_back",
    )


def outcome_of(  # noqa: C901, PLR0911 - one return per kind of failure
    error: LinkError, *, name: str, written: bool
) -> BridgeError:
    """What the failure of one request means to its caller; the link itself is well."""
    match error:
        case Unauthorized() if error.passing:
            return unavailable(name, error.passing, state="connected")
        case Unauthorized():
            return login_needed(name, error.advice or LOGIN_REASON)
        case RequestRefused():
            return _refused(error, name=name)
        case AnswerUnreadable():
            return unreadable(name, error.public)
        case LinkTimeout():
            return timed_out(name)
        case LinkBusy():
            return overloaded(name, "its link is busy")
        case Forbidden() | ConnectFailed() | SessionLost():
            return unavailable(name, error.public, state="connected")
        case _ if written:
            return lost(name, error.public, written=True)
        case _:
            return unavailable(name, error.public, state="connected")


def _refused(error: RequestRefused, *, name: str) -> BridgeError:
    """An HTTP status. A server fault may come after the work was done.

    A gateway says 503 also of a server it lost under the request; one that names a time
    to come back has refused it.
    """
    if error.status >= _SERVER_FAULT and error.status != _UNAVAILABLE:
        return failed(name, error.public)
    if error.status == _TOO_MANY:
        return overloaded(name, error.public, retry_after=error.retry_after)
    return unavailable(
        name,
        error.public,
        state="connected",
        retry_after=error.retry_after,
        written=error.status == _UNAVAILABLE and error.retry_after is None,
    )
