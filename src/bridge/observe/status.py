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
    logging_in: bool = False  # a login is under way, also before anybody is asked
    logins: int = 0  # begun so far, by anybody: one more means that ours has begun


class UpstreamStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One upstream as an operator sees it. Published whole by its actor.

    ``since`` and ``retry_at`` are trio times; whoever renders turns them into seconds
    ago and seconds ahead. ``state`` is a value of `UpstreamState`; ``phase`` the finer
    name inside the connection machine.
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


class BridgeStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The whole bridge."""

    version: str
    ready: bool
    uptime: float
    sessions: int
    table_version: int
    tools: int
    prompts: int
    resources: int
    upstreams: tuple[UpstreamStatus, ...] = ()
    conflicts: tuple[str, ...] = ()
