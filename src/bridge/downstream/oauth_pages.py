"""The logins of a bridge, for the command line: on the control socket and nowhere else.

/oauth                      every server that logs in with OAuth
/oauth/{server}             one of them
/oauth/{server}/login       POST: begin a login (``{"force": true}`` in its body: anew)
/oauth/{server}/logout      POST: revoke and forget its tokens
/oauth/{server}/redirect    POST: the address a browser was sent to, brought by hand

These pages show the address of a pending login, which is for the operator alone.
"""

import msgspec

from bridge.config import named
from bridge.contract.control import Control
from bridge.downstream.answer import json, method_not_allowed, refusal
from bridge.downstream.message import Request, Response
from bridge.observe.status import OAuthStatus

_READ = ("GET",)
_TELL = ("POST",)


class _Wish(msgspec.Struct, frozen=True):
    """The optional body of a login."""

    force: bool = False


class OAuthPages:
    """Answers what is below ``/oauth``."""

    def __init__(self, control: Control) -> None:
        self._control = control

    async def handle(self, request: Request) -> Response | None:
        """The page; None for a path that is none of these."""
        match request.path.split("/"):
            case ["", "oauth"]:
                return _refused(request, _READ) or self._all()
            case ["", "oauth", server] if server:
                return _refused(request, _READ) or self._one(server)
            case ["", "oauth", server, "login" | "logout" | "redirect" as verb]:
                return _refused(request, _TELL) or await self._tell(
                    request, server, verb=verb
                )
            case _:
                return None

    def _all(self) -> Response:
        logins = self._control.oauth()
        return json({"servers": logins, "count": len(logins)})

    def _one(self, server: str) -> Response:
        found = find_login(self._control.oauth(), server)
        return json(found) if found is not None else self._unknown(server)

    async def _tell(self, request: Request, server: str, *, verb: str) -> Response:
        found = find_login(self._control.oauth(), server)
        if found is None:
            return self._unknown(server)
        body = await request.body()
        match verb:
            case "login":
                return self._login(found.name, body)
            case "logout":
                return self._begun(found.name, told=self._control.logout(found.name))
            case _:
                return await self._redirect(found.name, body)

    def _login(self, name: str, body: bytes) -> Response:
        try:
            wish = msgspec.json.decode(body or b"{}", type=_Wish)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return refusal(400, "bad_request", 'the body is {"force": true} or nothing')
        return self._begun(name, told=self._control.login(name, force=wish.force))

    def _begun(self, name: str, *, told: bool) -> Response:
        if not told:
            return self._unknown(name)
        return json({"server": name, "begun": True}, status=202)

    async def _redirect(self, name: str, body: bytes) -> Response:
        query = query_of(body.decode("utf-8", "replace"))
        if not query:
            return refusal(400, "bad_request", NOT_A_REDIRECT)
        success = await self._control.paste(query)
        if success is None:
            return refusal(409, "no_login", NO_SUCH_LOGIN)
        return json({"server": name, "success": success})

    def _unknown(self, server: str) -> Response:
        served = {each.name for each in self._control.status().upstreams}
        known = [each.name for each in self._control.oauth()]
        sentence = no_login_for(server, known=known, served=served)
        return refusal(404, "not_found", sentence)


NOT_A_REDIRECT = (
    "this is not the address a login ends at: it must hold 'code=' or 'error=' and "
    "'state='; copy the whole address from the browser"
)
NO_SUCH_LOGIN = (
    "no login waits for this address: it is of an older login, or has been used; "
    "begin a new one"
)


def find_login(logins: tuple[OAuthStatus, ...], wanted: str) -> OAuthStatus | None:
    """The login of a server, by its name or by its name in addresses."""
    statuses = {status.name: status for status in logins}
    found = named(wanted, statuses)
    return None if found is None else statuses[found]


def query_of(pasted: str) -> str:
    """The query of a redirect, given whole or from its ``?`` on; empty: it is none."""
    text = pasted.strip().partition("#")[0]
    query = text.partition("?")[2] if "?" in text else text
    names = {part.partition("=")[0] for part in query.split("&")}
    return query if "state" in names and names & {"code", "error"} else ""


def no_login_for(name: str, *, known: list[str], served: set[str]) -> str:
    """Why there is no login of this name, and which there are.

    ``known``: the OAuth servers; ``served``: every server.
    """
    shown = name[:100]
    others = f"OAuth servers are: {', '.join(known)}" if known else "no server uses it"
    if named(shown, served) is not None:
        return (
            f"the server {shown!r} does not use OAuth: only an enabled network "
            f"server (with a url) whose entry has oauth.enabled: true does; {others}"
        )
    return f"there is no server {shown!r} that logs in with OAuth; {others}"


def _refused(request: Request, methods: tuple[str, ...]) -> Response | None:
    if request.method in methods:
        return None
    return method_not_allowed(methods)
