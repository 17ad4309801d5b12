"""One pending login, and the redirect that belongs to it."""

import hmac
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl

import trio

#: The exchange is one or two requests to the provider, with deadlines of their own.
EXCHANGE = 30.0
#: A provider's answer has five or so.
PARAMETERS = 32


class PendingLogin:
    """Is an `Attendance`: from the first wait to the page that tells how it ended."""

    def __init__(self, state: str) -> None:
        self._state = _octets(state)
        self._parameters: Mapping[str, str] | None = None
        self._arrived = trio.Event()
        self._ended = trio.Event()
        self._success = False

    @property
    def used(self) -> bool:
        """Its redirect has arrived."""
        return self._arrived.is_set()

    async def redirected(self) -> Mapping[str, str]:
        await self._arrived.wait()
        assert self._parameters is not None
        return self._parameters

    def answer(self, *, success: bool) -> None:
        """The first answer counts."""
        if not self._ended.is_set():
            self._success = success
            self._ended.set()

    def has(self, state: str) -> bool:
        """Whether this is its state, in constant time (threat D1)."""
        return hmac.compare_digest(self._state, _octets(state))

    def arrive(self, parameters: Mapping[str, str]) -> bool:
        """False: another redirect was first (a state is for one use)."""
        if self.used:
            return False
        self._parameters = parameters
        self._arrived.set()
        return True

    async def ending(self) -> bool | None:
        """How it ended; None: it has not, in good time."""
        with trio.move_on_after(EXCHANGE):
            await self._ended.wait()
            return self._success
        return None


def login_of(
    logins: Iterable[PendingLogin], parameters: Mapping[str, str]
) -> PendingLogin | None:
    """The login with this ``state``. All are compared: time must not tell which."""
    state = parameters.get("state", "")
    found = [login for login in logins if login.has(state)]
    return found[0] if found else None


def parse_redirect(query: str) -> Mapping[str, str] | None:
    """The parameters of a redirect; None when they cannot be read in one way only.

    RFC 6749 section 3.1: none may occur twice.
    """
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS
        )
    except ValueError:  # too many, or no UTF-8
        return None
    parameters = dict(pairs)
    return parameters if 0 < len(parameters) == len(pairs) else None


def _octets(state: str) -> bytes:
    # What was pasted by hand may hold anything a string can.
    return state.encode(errors="backslashreplace")
