"""Messages to an upstream actor, and what comes back through a call's reply."""

from collections.abc import Callable
from enum import Enum

import msgspec
from msgspec import Raw

from bridge.actor.mailbox import Mailbox
from bridge.actor.reply import Reply
from bridge.contract.pins import Approval, Approved
from bridge.contract.principal import Principal
from bridge.errors import BridgeError
from bridge.protocol.frame import Frame


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """The upstream's own response: exactly one of ``result`` and ``error``."""

    result: Raw | None = None
    error: Raw | None = None


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """``params`` of a progress notification; its token is still the upstream's."""

    params: dict[str, Raw]


class Related(msgspec.Struct, frozen=True, kw_only=True):
    """A notification that certainly belongs to this call (a log message)."""

    frame: Frame


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A request of the upstream to the client that owns this call (protocol 4.1).

    The client's response comes back as `Answer` with the same ``epoch`` and
    ``upstream_id``. Who cannot ask the client calls ``refuse(error)`` before it
    returns, so that the call's deadline does not wait for anybody.
    """

    epoch: int
    upstream_id: int | str
    frame: Frame
    address: "UpstreamAddress"
    refuse: Callable[[Raw], None]


CallEvent = Progress | Related | Question
CallOutcome = Answered | BridgeError
CallReply = Reply[CallEvent, CallOutcome]
ApprovalReply = Reply[None, Approved]


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One client request, with the upstream's own names already in ``params``.

    ``frame`` has method and params and no id: the actor mints one. ``wants_progress``:
    the client gave a progress token (already taken out of ``params._meta``).
    ``session_id`` tells calls of one downstream session apart from another's.
    ``received_at`` is `trio.current_time()`: waiting for a slot counts.
    ``repeatable``: its upstream says that doing it twice does no harm.
    """

    call_id: int
    frame: Frame
    reply: CallReply
    principal: Principal
    session_id: str
    received_at: float
    wants_progress: bool = False
    repeatable: bool = False


class Cancel(msgspec.Struct, frozen=True, kw_only=True):
    """Forget a call and tell the upstream; its reply is abandoned by the sender."""

    call_id: int
    reason: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A client's response to a `Question`; dropped when the epoch has passed."""

    epoch: int
    upstream_id: int | str
    result: Raw | None = None
    error: Raw | None = None


class Notify(msgspec.Struct, frozen=True, kw_only=True):
    """A notification to pass on (``notifications/roots/list_changed``)."""

    frame: Frame


class Subscriptions(msgspec.Struct, frozen=True, kw_only=True):
    """The set of resource URIs any session is subscribed to at this upstream.

    The actor sends ``resources/subscribe`` and ``unsubscribe`` for the difference,
    and the whole set again after a reconnect.
    """

    uris: frozenset[str]


class LogLevel(msgspec.Struct, frozen=True, kw_only=True):
    """The most talkative level any session asked for; ``None``: nobody asked."""

    level: str | None


class Announce(msgspec.Struct, frozen=True, kw_only=True):
    """Tell the router again what you are (after a router restart)."""


class Poke(msgspec.Struct, frozen=True, kw_only=True):
    """Stop waiting: connect now; ``reconnect`` also gives up a good link."""

    reason: str
    reconnect: bool = False


class Rescan(msgspec.Struct, frozen=True, kw_only=True):
    """Read the lists again."""


class Reauthorize(msgspec.Struct, frozen=True, kw_only=True):
    """Start a login or refresh now. ``force``: a login even beside a good token."""

    reason: str
    force: bool = False


class Forget(msgspec.Struct, frozen=True, kw_only=True):
    """Log out: revoke and erase the tokens, and use none until a new login."""

    reason: str


class Approve(msgspec.Struct, frozen=True, kw_only=True):
    """Definitions that are held back may be served from now on."""

    wanted: tuple[Approval, ...]
    reply: ApprovalReply


class Drain(msgspec.Struct, frozen=True, kw_only=True):
    """Take no new call, finish those in flight until ``deadline`` (trio time)."""

    deadline: float
    reason: str = "stopping"


UpstreamMessage = (
    Call
    | Cancel
    | Answer
    | Notify
    | Subscriptions
    | LogLevel
    | Announce
    | Poke
    | Rescan
    | Reauthorize
    | Forget
    | Approve
    | Drain
)


class UpstreamAddress(msgspec.Struct, frozen=True, kw_only=True):
    """All a caller may touch of an upstream: its name and its mailbox.

    A new incarnation of the actor has a new mailbox, hence a new address. ``edition``
    counts the configurations the upstream has had: a higher one replaces a lower.
    """

    name: str
    mailbox: Mailbox[UpstreamMessage]
    edition: int = 0


class UpstreamState(Enum):
    """What users are shown of an upstream (R136)."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    AUTH_REQUIRED = "auth_required"
    BACKOFF = "backoff"
    FAILED = "failed"
    DISCONNECTED = "disconnected"
    DISABLED = "disabled"
    INVALID = "invalid"  # its configuration is wrong: it was left out
