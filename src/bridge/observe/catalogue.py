"""Every event the bridge logs: its name, level and fields.

Names are ``room.thing_happened`` and part of the public interface: they stay stable
across releases. ``docs/events.md`` is generated from this page (``make docs``), and a
test compares every ``log.emit`` of the program with it. To add an event, put a constant
into the section of its room, with a comment only where the name does not
say it all.
"""

from typing import Literal

import msgspec

Level = Literal["debug", "info", "warning", "error"]

CONTEXT = frozenset(
    {"upstream", "epoch", "session", "call_id", "child", "room", "subject"}
)
"""Fields that may stand on any event: bound once per actor, session or call."""


class Event(msgspec.Struct, frozen=True):
    """One thing that can happen. Names are stable across releases."""

    name: str
    level: Level
    fields: tuple[str, ...] = ()
    message: str = ""  # the promised sentence (R143 to R145), filled from the fields
    also: tuple[Level, ...] = ()  # other levels it is said at, by how grave it is

    def at(self, level: Level) -> "Event":
        """The same event at another of its levels. Raises ValueError for no such."""
        if level not in (self.level, *self.also):
            raise ValueError(f"{self.name} is never said at {level}")
        return msgspec.structs.replace(self, level=level)


# --- the process: app, cli, system ---

BRIDGE_STARTED = Event("bridge.started", "info", ("version", "url", "upstreams"))
BRIDGE_READY = Event(  # starting: said nothing yet, and nobody waits for them (R138)
    "bridge.ready", "info", ("upstreams", "failed", "starting", "seconds")
)
BRIDGE_DRAINING = Event("bridge.draining", "info", ("signal", "seconds", "calls"))
BRIDGE_STOPPED = Event("bridge.stopped", "info", ("seconds", "reason"))
BRIDGE_RELOADED = Event(
    "bridge.reloaded", "info", ("added", "changed", "removed", "restart_needed")
)
BRIDGE_RELOAD_REFUSED = Event("bridge.reload_refused", "error", ("file", "problems"))
BRIDGE_RELOAD_CHECKED = Event(  # validateOnly: the file is good, and not applied
    "bridge.reload_checked", "info", ("added", "changed", "removed", "restart_needed")
)
BRIDGE_RELOAD_UNNEEDED = Event("bridge.reload_unneeded", "debug", ("file",))
BRIDGE_HANGUP = Event(  # SIGHUP, and what came of it; warning: nothing can
    "bridge.hangup", "info", ("outcome",), also=("warning",)
)
BRIDGE_WATCH_FAILED = Event(  # edits of the file go unnoticed
    "bridge.watch_failed", "warning", ("file", "error", "hint")
)
BRIDGE_STALLED = Event(  # the event loop was held up; task: the actor's (E8)
    "bridge.stalled", "warning", ("seconds", "cpu", "task", "where", "suppressed")
)
BRIDGE_AUTHENTICATION_OFF = Event("bridge.authentication_off", "warning", ("host",))
CONTROL_UNAVAILABLE = Event("control.unavailable", "warning", ("error",))
ORPHANS_ENDED = Event(  # children of a bridge that was killed; ``left``: would not go
    "orphans.ended", "warning", ("processes", "pids", "left")
)
ORPHANS_UNKNOWN = Event("orphans.unknown", "warning", ("error",))
ORPHANS_NOT_RECORDED = Event("orphans.not_recorded", "warning", ("error",))
CONFIG_WARNING = Event("config.warning", "warning", ("path", "reason", "hint"))
CONFIG_SERVER_LEFT_OUT = Event(
    "config.server_left_out", "error", ("upstream", "path", "reason", "hint")
)
LOG_LINES_DROPPED = Event("log.lines_dropped", "warning", ("lines",))

# --- actor ---

CHILD_CRASHED = Event(
    "child.crashed", "error", ("child", "error", "restart_in", "restarts")
)
CHILD_QUARANTINED = Event("child.quarantined", "error", ("child", "crashes", "period"))
CHILD_CLEANUP_TIMED_OUT = Event(
    "child.cleanup_timed_out", "warning", ("child", "seconds")
)
CHILD_CLEANUP_FAILED = Event(  # an exception while it was being stopped: no restart
    "child.cleanup_failed", "warning", ("child", "error")
)
CHILD_ESCALATED = Event("child.escalated", "error", ("child", "crashes", "period"))
CHILD_REVIVED = Event("child.revived", "info", ("child",))

# --- wire and upstream ---

UPSTREAM_STATE_CHANGED = Event(  # warning: an outage begins; debug: a step of its way
    "upstream.state_changed",
    "info",
    ("upstream", "from", "to", "phase", "reason", "next", "epoch", "retry_in"),
    also=("debug", "warning"),
)
UPSTREAM_REPLACED = Event(  # by a changed configuration, which serves from now on
    "upstream.replaced", "info", ("upstream", "connected", "seconds")
)
UPSTREAM_LEFT = Event("upstream.left", "info", ("upstream",))  # drained and gone
UPSTREAM_CATALOG_CHANGED = Event(
    "upstream.catalog_changed", "info", ("added", "removed", "changed")
)
UPSTREAM_FRAME_REFUSED = Event(
    "upstream.frame_refused", "warning", ("kind", "size", "error")
)
UPSTREAM_STDERR = Event("upstream.stderr", "debug", ("line", "suppressed"))
UPSTREAM_LAST_WORDS = Event("upstream.last_words", "warning", ("line",))
UPSTREAM_LIST_FAILED = Event(  # the last good lists are kept
    "upstream.list_failed", "warning", ("error", "retry_in")
)
UPSTREAM_ENTRIES_SKIPPED = Event(
    "upstream.entries_skipped", "warning", ("kind", "reason", "entries", "example")
)
UPSTREAM_ENTRIES_CLEANED = Event(  # of what cannot be seen (C35)
    "upstream.entries_cleaned", "warning", ("entries", "example")
)
UPSTREAM_NAMES_ESCAPED = Event(  # they are shown with _ and a hash in them (C33)
    "upstream.names_escaped", "warning", ("names", "example")
)
UPSTREAM_DEFINITION_CHANGED = Event(  # a rug pull would look like this (C35)
    "upstream.definition_changed", "warning", ("kind", "key", "old_hash", "new_hash")
)
UPSTREAM_PINS_RECORDED = Event(  # the first use: from now on changes are held back
    "upstream.pins_recorded", "info", ("definitions", "file")
)
UPSTREAM_DEFINITION_HELD_BACK = Event(  # until `bridge tool approve`
    "upstream.definition_held_back",
    "error",
    ("kind", "key", "reason", "old_hash", "new_hash", "more"),
)
UPSTREAM_DEFINITION_APPROVED = Event(
    "upstream.definition_approved", "warning", ("kind", "key", "hash")
)
UPSTREAM_PINS_TROUBLE = Event(  # corrupt, or open to others
    "upstream.pins_trouble", "error", ("upstream", "file", "reason", "moved_to")
)
UPSTREAM_PINS_UNSAVED = Event(  # cannot be read or written now; it is tried again
    "upstream.pins_unsaved", "error", ("file", "reason")
)
UPSTREAM_LOGGED = Event("upstream.logged", "debug", ("severity", "logger", "text"))
UPSTREAM_QUESTION_REFUSED = Event(
    "upstream.question_refused", "info", ("method", "reason")
)
UPSTREAM_PROBE_FAILED = Event(
    "upstream.probe_failed", "warning", ("operation", "error", "failures")
)
UPSTREAM_CIRCUIT_OPENED = Event(  # it answers only errors: calls are refused at once
    "upstream.circuit_opened",
    "warning",
    ("reason", "failures", "openings", "retry_in"),
)
UPSTREAM_CIRCUIT_CLOSED = Event("upstream.circuit_closed", "info", ("seconds",))
UPSTREAM_REQUEST_FAILED = Event(  # one of the bridge's own, such as a subscription
    "upstream.request_failed", "debug", ("method", "error")
)
UPSTREAM_POST_FAILED = Event(  # a notification or an answer did not arrive
    "upstream.post_failed", "warning", ("error", "suppressed")
)
TLS_VERIFICATION_DISABLED = Event(
    "tls.verification_disabled",
    "warning",
    ("upstream", "scope"),
    "TLS verification is disabled for server '{upstream}' ({scope}).",
)

# --- oauth ---

OAUTH_PREFLIGHT_STARTED = Event(
    "oauth.preflight_started",
    "info",
    ("upstream",),
    "OAuth-enabled server detected. Running OAuth preflight check.",
)
OAUTH_PREFLIGHT_PASSED = Event(
    "oauth.preflight_passed",
    "info",
    ("upstream",),
    "OAuth preflight check passed for server '{upstream}'",
)
OAUTH_PREFLIGHT_FAILED = Event(
    "oauth.preflight_failed",
    "error",
    ("upstream", "reason"),
    "OAuth preflight check failed for server '{upstream}'",
)
OAUTH_DISCOVERY_STARTED = Event(
    "oauth.discovery_started",
    "debug",
    ("url",),
    "Attempting OAuth discovery for URL: {url}",
)
OAUTH_DISCOVERY_TRIED = Event(
    "oauth.discovery_tried",
    "debug",
    ("url", "status"),
    "Trying discovery endpoint: {url}",
)
OAUTH_ISSUER_DISCOVERED = Event(
    "oauth.issuer_discovered",
    "info",
    ("upstream", "issuer"),
    "Successfully discovered OAuth issuer: {issuer}",
)
OAUTH_DISCOVERY_FAILED = Event(  # tried: one "url (status)" text per address
    "oauth.discovery_failed",
    "error",
    ("upstream", "tried"),
    "OAuth discovery failed for all endpoints:{tried}",
)
OAUTH_ISSUER_MISSING = Event(
    "oauth.issuer_missing",
    "error",
    ("upstream",),
    "No issuer configured and discovery failed for server '{upstream}'",
)
OAUTH_TOKENS_LOADED = Event(
    "oauth.tokens_loaded",
    "info",
    ("upstream", "url_hash"),
    "OAuth tokens loaded successfully for server URL hash: {url_hash}",
)
OAUTH_LOGIN_STARTED = Event(
    "oauth.login_started",
    "info",
    ("upstream",),
    "OAuth flow initiated for server '{upstream}'. "
    "Please check your browser to complete authorization.",
)
OAUTH_LOGIN_REQUIRED = Event(  # login_url is the one address shown whole (R80)
    "oauth.login_required", "warning", ("upstream", "login_url", "reason")
)
OAUTH_REQUESTED = Event(  # registration, token, revocation, device authorization
    "oauth.requested", "debug", ("step", "url", "status")
)
OAUTH_LOGIN_FAILED = Event(
    "oauth.login_failed",
    "error",
    ("upstream", "error", "asked", "answered", "rule", "advice"),
)
OAUTH_BROWSER_MISSING = Event(  # open the address of oauth.login_required by hand
    "oauth.browser_missing", "warning", ("upstream", "reason")
)
OAUTH_DEVICE_CODE = Event(  # type the code at login_url, on any device
    "oauth.device_code", "warning", ("upstream", "login_url", "shown_code", "seconds")
)
OAUTH_REGISTERED = Event("oauth.registered", "info", ("upstream", "issuer", "client"))
OAUTH_PKCE_UNADVERTISED = Event(
    "oauth.pkce_unadvertised", "warning", ("upstream", "issuer")
)
OAUTH_DEFAULTS_USED = Event(  # no metadata: the default paths of 2025-03-26 (D6)
    "oauth.defaults_used", "warning", ("upstream", "issuer")
)
OAUTH_LOGIN_LOST = Event(  # serving: the old token still does, until its end
    "oauth.login_lost", "error", ("upstream", "reason", "serving")
)
OAUTH_STEPPED_UP = Event("oauth.stepped_up", "info", ("upstream", "scopes"))
OAUTH_TOKENS_SAVED = Event("oauth.tokens_saved", "debug", ("upstream", "url_hash"))
OAUTH_TOKENS_ERASED = Event(
    "oauth.tokens_erased", "info", ("upstream", "url_hash", "reason")
)
OAUTH_STORE_TROUBLE = Event(  # corrupt, wider mode, unreadable, disk full
    "oauth.store_trouble", "warning", ("upstream", "file", "reason", "moved_to")
)
OAUTH_CALLBACK_OPENED = Event("oauth.callback_opened", "debug", ("port",))
OAUTH_CALLBACK_CLOSED = Event("oauth.callback_closed", "debug", ("port",))
OAUTH_CALLBACK_REFUSED = Event(  # a redirect that belongs to no pending login
    "oauth.callback_refused", "warning", ("reason", "suppressed")
)
OAUTH_REVOCATION_FAILED = Event(
    "oauth.revocation_failed", "warning", ("upstream", "error")
)
OAUTH_LOGIN_COMPLETED = Event(
    "oauth.login_completed",
    "info",
    ("upstream", "scopes"),
    "OAuth flow completed successfully for server '{upstream}'",
)
OAUTH_LOGGED_OUT = Event("oauth.logged_out", "info", ("upstream", "scopes"))
OAUTH_TOKEN_REFRESHED = Event(
    "oauth.token_refreshed", "info", ("upstream", "expires_in", "generation")
)
OAUTH_REFRESH_FAILED = Event(
    "oauth.refresh_failed", "warning", ("upstream", "error", "retry_in")
)

# --- router and sessions ---

ROUTER_TABLE_PUBLISHED = Event(
    "router.table_published", "info", ("version", "tools", "conflicts")
)
ROUTER_NAME_CONFLICT = Event(
    "router.name_conflict", "warning", ("name", "upstreams", "policy")
)
SESSION_OPENED = Event(
    "session.opened", "info", ("session", "subject", "revision", "route")
)
SESSION_CLOSED = Event(
    "session.closed", "info", ("session", "subject", "revision", "reason", "seconds")
)
SESSION_OVERFLOWED = Event("session.overflowed", "warning", ("session", "queued"))
CALL_FINISHED = Event(
    "call.finished",
    "info",
    ("tool", "method", "outcome", "seconds", "bytes_in", "bytes_out"),
)
CALL_REJECTED = Event("call.rejected", "info", ("tool", "method", "error"))
CALL_WITHHELD = Event(  # the client was told that there is no such name
    "call.withheld", "info", ("upstream", "name", "reason")
)
ROUTER_TOOLS_WITHHELD = Event(  # ``tools`` of one server by policy, ``example`` one
    "router.tools_withheld", "info", ("upstream", "tools", "example", "reason")
)
SESSION_TOKEN_OUTDATED = Event(  # it saw a newer token, which allows something else
    "session.token_outdated", "info", ("session",)
)

# --- identity and downstream ---

GUARD_REFUSED = Event(  # ``suppressed``: how many before it were not logged
    "guard.refused", "warning", ("error", "reason", "peer", "path", "suppressed")
)
IDENTITY_KEYS_REFRESHED = Event(
    "identity.keys_refreshed", "info", ("keys", "skipped", "issuer")
)
IDENTITY_KEYS_FAILED = Event(
    "identity.keys_failed", "warning", ("keys", "age", "error", "retry_in")
)
IDENTITY_DISCOVERY_FAILED = Event("identity.discovery_failed", "info", ("url", "error"))
SERVER_ACCEPT_PAUSED = Event(
    "server.accept_paused", "warning", ("reason", "error", "connections")
)
SERVER_CONNECTION_FAILED = Event("server.connection_failed", "error", ("error",))
REQUEST_FAILED = Event("request.failed", "error", ("method", "path", "error"))


def all_events() -> tuple[Event, ...]:
    """Every event of this page, in its order."""
    return tuple(v for v in globals().values() if isinstance(v, Event))
