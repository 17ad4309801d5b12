"""What happens to the tokens of one upstream, and what is done about it. Pure nouns.

`Event` goes into `bridge.oauth.lifecycle.step`, `Action` comes out.
"""

import msgspec

from bridge.oauth.credential import Credential


class Loaded(msgspec.Struct, frozen=True):
    """The store holds this login: at the start, or written by another process."""

    credential: Credential
    chance: float = 0.0


class Gone(msgspec.Struct, frozen=True):
    """The stored login was taken away by hand (R101)."""


class Needed(msgspec.Struct, frozen=True):
    """401, and no token was sent."""

    challenge: str = ""


class Rejected(msgspec.Struct, frozen=True):
    """401 to the token of this generation."""

    generation: int
    challenge: str = ""


class Insufficient(msgspec.Struct, frozen=True):
    """403 ``insufficient_scope`` to the token of this generation."""

    generation: int
    scope: str
    challenge: str = ""


class Accepted(msgspec.Struct, frozen=True):
    """The server took the token of this generation."""

    generation: int


class RefreshDue(msgspec.Struct, frozen=True):
    """`State.due_in` has passed."""


class Refreshed(msgspec.Struct, frozen=True):
    """New tokens, already stored."""

    credential: Credential
    chance: float = 0.0


class RefreshFailed(msgspec.Struct, frozen=True):
    """``transient``: the refresh token may still be good. ``chance`` in 0..1."""

    reason: str
    transient: bool = False
    retry_after: float | None = None
    chance: float = 0.0


class LoggedIn(msgspec.Struct, frozen=True):
    """A login brought tokens, already stored."""

    credential: Credential
    chance: float = 0.0


class LoginEnded(msgspec.Struct, frozen=True):
    """A login brought none."""

    reason: str


class LogIn(msgspec.Struct, frozen=True):
    """An operator wants a login; ``force``: even with a good token."""

    force: bool = False


class LoggedOut(msgspec.Struct, frozen=True):
    """An operator logged out; the stored login is gone."""

    reason: str = "logged out"


Event = (
    Loaded
    | Gone
    | Needed
    | Rejected
    | Insufficient
    | Accepted
    | RefreshDue
    | Refreshed
    | RefreshFailed
    | LoggedIn
    | LoginEnded
    | LogIn
    | LoggedOut
)


class Publish(msgspec.Struct, frozen=True):
    """From now on requests carry the state's token."""


class Unpublish(msgspec.Struct, frozen=True):
    """From now on requests carry none."""


class PostRefresh(msgspec.Struct, frozen=True):
    """Get new tokens without a person."""


class StartLogin(msgspec.Struct, frozen=True):
    """Get new tokens; ``wider``: keep the scopes held, add those of the challenge."""

    challenge: str = ""
    wider: bool = False


class ForgetRefresh(msgspec.Struct, frozen=True):
    """Keep the stored login without its refresh token, which is worth nothing now."""


class Erase(msgspec.Struct, frozen=True):
    """Take a login that cannot be used any more out of the store (R100)."""

    credential: Credential
    reason: str


Action = Publish | Unpublish | PostRefresh | StartLogin | ForgetRefresh | Erase
