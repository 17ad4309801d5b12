"""What an upstream waits for, in words a person can act on. Pure.

The same words stand in the log (``next`` of ``upstream.state_changed``), in the status
and in `bridge tree`. Every command they name exists.
"""

from shlex import quote

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR

_FIXED = {
    "disabled": "the configuration: it says enabled: false",
    "invalid": "a corrected configuration: bridge check",
}
_OPENING = {
    "queued": "its turn at a host many servers share",
    "connecting": "the connection to open",
    "handshaking": "its answer to the handshake",
    "discovering": "its lists of tools, prompts and resources",
    "authorizing": "new credentials from its provider",
}


def duration(seconds: float) -> str:
    """Two units at most: ``3 s``, ``4 min``, ``2 h 5 min``, ``3 d 1 h``."""
    whole = int(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def pause(seconds: float) -> str:
    """A time ahead, rounded up: nobody is told 0 s while there is still to wait."""
    return duration(max(-(-seconds // 1), 0.0))


def next_step(
    name: str,
    *,
    state: str,
    phase: str = "",
    reason: str = "",
    retry_in: float | None = None,
    has_login: bool = False,
    circuit: str = "closed",
) -> str:
    """What the upstream ``name`` waits for; empty when it waits for nothing.

    ``has_login``: it logs in with OAuth, so a login is what helps. ``circuit``: that of
    a connected one, which ``retry_in`` is about then.
    """
    match state:
        case "connected":
            return _rest(circuit=circuit, rest=retry_in)
        case "connecting":
            return _OPENING.get(phase, _OPENING["connecting"])
        case "backoff" | "failed":
            return _reconnection(name, reason=reason, retry_in=retry_in)
        case "auth_required":
            return _login(name, retry_in=retry_in, has_login=has_login)
        case "disconnected" if phase == "draining":
            return "its calls in flight to end"
        case _:
            return _FIXED.get(state, "")


def _rest(*, circuit: str, rest: float | None) -> str:
    waits = rest is not None and rest > 0
    after = f"in {pause(rest or 0)}" if waits else "now"
    match circuit:
        case "open":
            return (
                f"a call that tries it {after}: it answered only errors (circuit open)"
            )
        case "half_open":
            return "a call that tries it: it answered only errors (circuit half open)"
        case _:
            return f"the patience it asked for to end {after}" if waits else ""


def _reconnection(name: str, *, reason: str, retry_in: float | None) -> str:
    if retry_in is None:
        return f"an operator: {reconnect_command(name)}"
    after = f" after: {reason}" if reason else ""
    return f"reconnect in {pause(retry_in)}{after}"


def _login(name: str, *, retry_in: float | None, has_login: bool) -> str:
    if has_login:
        said = f"a login: {login_command(name)}"
    else:
        said = (
            "credentials in its configuration (authentication, headers or oauth), "
            f"then: {reconnect_command(name)}"
        )
    return said if retry_in is None else f"{said}; tried again in {pause(retry_in)}"


def login_command(name: str) -> str:
    return f"bridge oauth login {quote(name)}"


def reconnect_command(name: str) -> str:
    return f"bridge mcp reconnect {quote(name)}"
