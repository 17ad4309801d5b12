"""The pages of ``docs/`` that are generated from the code."""

import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from bridge.errors import BridgeError
from bridge.observe.catalogue import Event, all_events
from kit.imports import modules
from kit.survival import survival_page

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"

_CODE = re.compile(r'^    code\b.* = "', re.MULTILINE)  # an error class with its code

_EVENTS = """# Events

Every line of the log is one event of this list: its time, level and name, then fields.
Names and fields are part of the public interface and stay stable across releases.
`upstream`, `epoch`, `session`, `call_id`, `child` and `subject` may stand on any event.
Secrets are removed before a line is written; queries of addresses are not shown.

This page is generated from `bridge/observe/catalogue.py` by `make docs`.
"""

_ERRORS = """# Errors

Each error has a stable code. It stands in the log, in the status and, for the errors
a client meets, as `reason` in the `data` of the JSON-RPC error. *Again* says whether
the same request may succeed later without anybody changing anything.

This page is generated from the error classes by `make docs`.
"""

ADVICE: Mapping[str, str] = {
    "internal": "A fault of the bridge itself: report it with the log around it.",
    "config.invalid": "Read the listed paths and hints; `bridge check` shows them all.",
    "config.substitution_failed": "Run the command by hand; look at its exit status.",
    "protocol.invalid": "Look at what the peer sent; it does not speak MCP.",
    "protocol.frame_invalid": "Send one JSON-RPC message in UTF-8.",
    "protocol.frame_too_large": "Send less, or raise the limit of that direction.",
    "protocol.revision_unsupported": "Update the older side; the log names both.",
    "protocol.method_unknown": "Use a method of the agreed revision.",
    "link.failed": "Wait: the upstream is connected again by itself.",
    "link.connect_failed": "Check address, command and network of the upstream.",
    "link.destination_refused": "Name that host in the upstream's `oauth` section, "
    "if it is meant.",
    "link.lost": "Wait for the reconnection; look at the upstream's own log.",
    "link.put_aside": "None: the host asked for patience and is tried again later.",
    "link.busy": "Send fewer calls at once to this upstream.",
    "link.timeout": "Check whether the upstream hangs; raise `timeout` if it is slow.",
    "link.answer_unreadable": "Tell whoever makes the server: what it sends is not "
    "JSON-RPC.",
    "link.session_lost": "None: the bridge opens a new session by itself.",
    "link.request_refused": "Look at the HTTP status in the sentence.",
    "link.unauthorized": "Give the upstream credentials: `authentication` or `oauth`.",
    "link.forbidden": "Ask for the scope or right the upstream names.",
    "routing.failed": "Look at the log of this call.",
    "routing.unknown_name": "List again: the name is gone, or not for this token.",
    "routing.upstream_unavailable": "Try again later; `bridge status` says why.",
    "routing.login_needed": "Give it static credentials: `authentication` or "
    "`headers`; logging in by OAuth comes with a later release.",
    "routing.held_back": "Look at what has changed: `bridge tool pending`, then "
    "`bridge tool approve`.",
    "routing.upstream_lost": "Repeat only if the tool may run twice.",
    "routing.circuit_open": "Wait as told: the upstream answered only errors and is "
    "left alone for a while; `bridge status` and its own log say more.",
    "routing.upstream_paused": "Wait as told: the upstream asked for it (Retry-After).",
    "routing.rate_limited": "Wait as told; see `rateLimit` of server and bridge.",
    "routing.overloaded": "Slow down, or raise the limit of this upstream.",
    "routing.call_timeout": "Repeat only if the tool may run twice; see `timeout`.",
    "routing.name_conflict": "Give one of them a namespace or another policy.",
    "routing.session_busy": "Wait for answers before sending more on this session.",
    "routing.bridge_stopping": "Connect again once the bridge has been restarted.",
    "guard.refused": "Look at the more exact code in the log.",
    "guard.token_missing": "Send `Authorization: Bearer <token>`.",
    "guard.token_invalid": "Get a new token from the issuer, for this audience.",
    "guard.scope_insufficient": "Get a token with the scopes of the challenge.",
    "guard.keys_unavailable": "Wait; check that the issuer can be reached.",
    "guard.host_invalid": "Send one Host header that is a host, with a port or not.",
    "guard.host_refused": "Configure the public address the proxy forwards.",
    "guard.origin_refused": "Configure the public address or the allowed origins.",
    "supervisor.stopping": "None: the bridge is stopping.",
    "supervisor.escalated": "Look at the crash before it; start the bridge again.",
    "oauth.failed": "Read the reason with it; `bridge doctor` walks every step.",
    "oauth.provider_unavailable": "Wait: it is tried again by itself, ever less often.",
    "oauth.discovery_failed": "Set `oauth.issuer`; the log lists every address tried.",
    "oauth.issuer_refused": "Correct `oauth.issuer`, or switch `oauth.pin_issuer` off.",
    "oauth.address_refused": "Only https is asked, or http on this machine: correct "
    "the address, or tell who runs the provider.",
    "oauth.pkce_unsupported": "Switch PKCE (S256) on at the provider; where it is on "
    "and only not listed, set `oauth.allow_unadvertised_pkce`.",
    "oauth.registration_failed": "Register a client by hand; set `oauth.client_id`.",
    "oauth.login_failed": "Log in again: `bridge oauth login NAME`.",
    "oauth.login_timed_out": "Log in again, and look at what the provider's page says.",
    "oauth.callback_unavailable": "Choose another `bridge.oauth_port`.",
    "oauth.grant_refused": "Log in again: `bridge oauth login NAME`.",
    "oauth.token_answer_invalid": "Check the token endpoint with `bridge doctor NAME`.",
    "storage.busy": "Another process holds the login; look for one that hangs.",
    "storage.failed": "Check the token folder: owner, mode, free space.",
}


def generated() -> dict[Path, str]:
    """Every generated page with its text."""
    return {
        DOCS / "events.md": events_page(),
        DOCS / "errors.md": errors_page(),
        DOCS / "survival.md": survival_page(),
    }


def events_page() -> str:
    rooms: dict[str, list[Event]] = {}
    for event in all_events():
        rooms.setdefault(event.name.partition(".")[0], []).append(event)
    parts = [_EVENTS]
    for room, events in rooms.items():
        parts.append(f"\n## {room}\n\n| event | level | fields |\n|---|---|---|\n")
        parts += [_event_row(event) for event in events]
        parts += [f"\n`{e.name}` says: {e.message}\n" for e in events if e.message]
    return "".join(parts)


def errors_page() -> str:
    rows = [
        f"| `{kind.code}` | {_meaning(kind)} | {'yes' if kind.retryable else 'no'} "
        f"| {ADVICE.get(kind.code, '')} |\n"
        for kind in error_kinds()
    ]
    return (
        f"{_ERRORS}\n| code | meaning | again | what to do |\n|---|---|---|---|\n"
        + ("".join(rows))
    )


def error_kinds() -> list[type[BridgeError]]:
    """Every error class of the program that has a code of its own."""
    for name, path in modules().items():
        if _CODE.search(path.read_text()):
            importlib.import_module(name)
    kinds = [kind for kind in _family(BridgeError) if "code" in vars(kind)]
    return sorted(kinds, key=lambda kind: kind.code.partition(".")[0])


def _family(kind: type[BridgeError]) -> Iterator[type[BridgeError]]:
    if kind.__module__.startswith("bridge."):
        yield kind
    for child in kind.__subclasses__():
        yield from _family(child)


def broken_links(page: Path) -> Iterator[str]:
    """The relative links of ``page`` that lead nowhere."""
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        if "://" not in target and not (page.parent / target).exists():
            yield f"{page.name}: {target}"


def _event_row(event: Event) -> str:
    fields = ", ".join(f"`{name}`" for name in event.fields)
    levels = ", ".join((event.level, *event.also))
    return f"| `{event.name}` | {levels} | {fields} |\n"


def _meaning(kind: type[BridgeError]) -> str:
    first = (kind.__doc__ or "").strip().partition("\n\n")[0].replace("\n", " ")
    return re.sub(r"\s+", " ", first).replace("``", "`").partition(". ")[0].rstrip(".")
