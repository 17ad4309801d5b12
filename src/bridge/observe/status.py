"""Snapshots of what the program is doing, free of secrets by construction."""

import msgspec


class OAuthStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The login of one upstream. ``state`` is one of: absent, valid, stale,
    refreshing, login_required, login_pending. Times are epoch seconds.

    ``login_url`` is for the operator alone: `UpstreamStatus` never holds it.
    """

    name: str
    state: str
    expires_at: float | None = None
    refresh_at: float | None = None
    scopes: tuple[str, ...] = ()
    issuer: str = ""
    login_url: str = ""
    user_code: str = ""  # of a device login, to be typed at `login_url`
    last_error: str = ""
    generation: int = 0
    serving: bool = False  # requests are given a token that is believed to be good
    logging_in: bool = False  # a login is under way, also before anybody is asked
    logins: int = 0  # begun so far, by anybody: one more means that ours has begun


class RoundTrip(msgspec.Struct, frozen=True):
    """The peer answered a request: ``by`` its method, ``at`` a trio time."""

    by: str
    at: float
    took: float


class UpstreamStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One upstream as an operator sees it. Published whole by its actor.

    ``since``, ``retry_at``, ``last_error_at`` and that of ``proved`` are trio times;
    whoever renders turns them into seconds ago and seconds ahead. ``state`` is a value
    of `UpstreamState`; ``phase`` the finer name inside the connection machine.
    ``restarts``: how often it was connected again since the bridge has it.
    """

    name: str
    state: str
    phase: str = ""
    reason: str = ""
    since: float = 0.0
    retry_at: float | None = None
    transport: str = ""
    revision: str = ""
    server: str = ""  # name and version as the upstream gave them
    epoch: int = 0
    restarts: int = 0
    tools: int = 0
    prompts: int = 0
    resources: int = 0
    templates: int = 0
    in_flight: int = 0
    queued: int = 0
    dropped: int = 0  # late, duplicate and foreign answers
    last_error: str = ""
    last_error_at: float | None = None
    proved: RoundTrip | None = None  # when it last answered, and how fast
    waits_for: str = ""
    circuit: str = "closed"  # open: it answered only errors, and is left alone
    tags: tuple[str, ...] = ()
    tls_verified: bool = True
    held_back: int = 0  # definitions that wait for `bridge tool approve`


class HeldStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A definition that waits for approval. ``why``: new or changed; hashes are
    SHA-256 of the canonical texts, which are empty where they are too long."""

    kind: str
    key: str
    why: str
    hash: str
    text: str = ""
    approved_hash: str = ""
    approved_text: str = ""


class PinStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The pins of one upstream. ``recorded``: how many definitions are approved;
    ``trouble``: why the record cannot be read or written now."""

    name: str
    edition: int = 0
    pinned: bool = True
    recorded: int = 0
    trouble: str = ""
    held: tuple[HeldStatus, ...] = ()


class KeysStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The issuer's key set. ``confirmed_at`` and ``retry_at`` are trio times.

    ``state``: reading (never read yet), valid, stale (the issuer has not confirmed it
    lately; still believed), missing (no key is believed: nobody can be let in).
    """

    issuer: str
    state: str
    keys: int = 0
    confirmed_at: float | None = None
    retry_at: float | None = None
    last_error: str = ""
    last_error_at: float | None = None


class BridgeStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The whole bridge.

    ``state``: starting, ready, degraded (ready, but not all of it), draining.
    ``troubles`` says why it is not simply ready, one sentence each. ``states`` counts
    the upstreams by their state.
    """

    version: str
    ready: bool
    state: str = ""
    troubles: tuple[str, ...] = ()
    states: dict[str, int] = {}
    keys: KeysStatus | None = None
    uptime: float
    sessions: int
    table_version: int
    tools: int
    prompts: int
    resources: int
    upstreams: tuple[UpstreamStatus, ...] = ()
    conflicts: tuple[str, ...] = ()
