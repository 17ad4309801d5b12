"""The log of a command that does its work itself: on standard error, in its own style.

With ``--debug`` every line is shown as it is.
"""

import msgspec

from bridge.cli.exit import complain
from bridge.cli.table import printable
from bridge.config.model import Config
from bridge.config.secrets import secrets_of
from bridge.observe import catalogue as events
from bridge.observe.logging import Log, build_log
from bridge.observe.outlet import Outlet
from bridge.observe.redact import Redactor
from bridge.ports import WallClock

#: What the command itself tells its reader, or raises as an error.
_TOLD = frozenset(
    event.name
    for event in (
        events.OAUTH_LOGIN_REQUIRED,
        events.OAUTH_DEVICE_CODE,
        events.OAUTH_BROWSER_MISSING,
        events.OAUTH_LOGIN_FAILED,
        events.OAUTH_PREFLIGHT_FAILED,
        events.OAUTH_DISCOVERY_FAILED,
        events.OAUTH_ISSUER_MISSING,
    )
)
#: Events whose line in a log has no sentence of its own.
_WORDS = {
    events.OAUTH_DEFAULTS_USED.name: "no metadata: the default paths are tried",
    events.OAUTH_PKCE_UNADVERTISED.name: "the provider does not say it supports PKCE",
    events.OAUTH_STORE_TROUBLE.name: "trouble with the token store",
}
_STAMP = frozenset({"time", "level", "event", "message"})


def command_log(
    config: Config, *, clock: WallClock, debug: bool, descriptor: int = 2
) -> Log:
    """A log for one command; from warnings on, or everything."""
    redactor = Redactor()
    for secret in secrets_of(config):
        redactor.learn(secret)
    return build_log(
        level="debug" if debug else "warning",
        format="console" if debug else "json",
        write=Outlet(descriptor).write if debug else _remark,
        clock=clock,
        redactor=redactor,
    )


def _remark(line: bytes) -> None:
    said = remark(msgspec.json.decode(line, type=dict[str, object]))
    if said:
        complain(said)


def remark(entry: dict[str, object]) -> str:
    """One event as a sentence; empty for what is told anyway. Pure."""
    if entry["event"] in _TOLD:
        return ""
    fields = [f"{k}: {v}" for k, v in entry.items() if k not in _STAMP and v != ""]
    event = str(entry["event"])
    said = str(entry.get("message") or _WORDS.get(event, event))
    return printable(f"{said} ({', '.join(fields)})" if fields else said)
