"""Servers on HTTP that refuse, forget and send elsewhere (C20, C21, C23, C25)."""

import time

from kit.hostile.behaviour import Behaviour
from kit.hostile.http_parts import (
    ELSEWHERE,
    after,
    answer_to,
    both,
    honest,
    on_call,
    on_delete,
    on_notice,
    raw,
    silent,
    status,
    to,
    when,
)
from kit.hostile.http_wire import Act, Asked, Wire

_MUTE = "handshaking took too long|no answer to initialize in time"
_REDIRECTED = "HTTP status 30"
_NO_REQUEST = "HTTP status 30|no request can be made"


def circle(wire: Wire, asked: Asked) -> None:
    wire.whole(307, location=f"{asked.path}x")


def forgets(code: int) -> Act:
    """Of every session it gives, whatever is asked in it."""

    def act(wire: Wire, asked: Asked) -> None:
        if asked.calls in {"initialize", "notifications/initialized"}:
            honest(wire, asked)
        else:
            wire.whole(code)

    return act


def in_session(value: str) -> Act:
    return when(
        "initialize",
        lambda wire, asked: wire.json(answer_to(asked), mcp_session_id=value),
    )


def ever_other_session(wire: Wire, asked: Asked) -> None:
    if asked.wants_answer:
        wire.json(answer_to(asked), mcp_session_id=f"s-{time.time_ns()}")
    else:
        honest(wire, asked)


def twice_session(wire: Wire, asked: Asked) -> None:
    body = answer_to(asked)
    wire.json(body, mcp_session_id="a\r\nmcp-session-id: b")


STATUSES: dict[str, Behaviour[Act]] = {
    "status_500": Behaviour("answers 500", "C20", status(500), "HTTP status 500"),
    "status_502_html": Behaviour(
        "answers 502 with a page of 50 kB",
        "C20",
        status(502, b"<html>" * 9000, content_type="text/html"),
        "HTTP status 502",
    ),
    "status_504": Behaviour("answers 504", "C20", status(504), "HTTP status 504"),
    "status_400": Behaviour("answers 400", "C20", status(400), "HTTP status 400"),
    "status_402": Behaviour("wants to be paid", "C20", status(402), "HTTP status 402"),
    "status_410": Behaviour("says it is gone", "C20", status(410), "HTTP status 410"),
    "status_418": Behaviour("is a teapot", "C20", status(418), "HTTP status 418"),
    "status_204": Behaviour(
        "answers requests with 204", "C20 C22", status(204), "204|content type|JSON"
    ),
    "status_206": Behaviour(
        "answers with a part",
        "C22",
        status(206, b'{"jsonrpc"', content_type="application/json"),
        "JSON|206",
    ),
    "status_304": Behaviour(
        "says nothing has changed", "C20", status(304), "HTTP status 304"
    ),
    "status_101": Behaviour(
        "changes the protocol unasked",
        "C20",
        raw(b"HTTP/1.1 101 X\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"),
        "broke|HTTP status 101",
    ),
    "status_999": Behaviour(
        "answers a status that is none",
        "C20",
        raw(b"HTTP/1.1 999 ?\r\ncontent-length: 0\r\n\r\n"),
        "HTTP status 999",
    ),
    "status_junk": Behaviour(
        "answers a status that is no number",
        "C20",
        raw(b"HTTP/9.9 abc\r\n\r\n"),
        "broke",
    ),
    "status_500_call": Behaviour("answers calls with 500", "C20", on_call(status(500))),
    "status_429": Behaviour(
        "says it is asked too often",
        "C20",
        status(429, retry_after="1"),
        "HTTP status 429",
    ),
    "retry_after_huge": Behaviour(
        "wants to be left alone for 10^5000 seconds",
        "C20",
        status(503, retry_after="9" * 5000),
        "HTTP status 503",
    ),
    "retry_after_negative": Behaviour(
        "wants to be asked again in the past",
        "C20",
        status(503, retry_after="-5"),
        "HTTP status 503",
    ),
    "retry_after_zero": Behaviour(
        "wants to be asked again at once",
        "C20",
        status(503, retry_after="0"),
        "HTTP status 503",
    ),
    "retry_after_junk": Behaviour(
        "wants to be asked again at no time at all",
        "C20",
        status(503, retry_after="\xff soon; Mon, 99 Foo"),
        "HTTP status 503",
    ),
    "retry_after_date": Behaviour(
        "wants to be asked again in the year 9999",
        "C20",
        status(503, retry_after="Fri, 31 Dec 9999 23:59:59 GMT"),
        "HTTP status 503",
    ),
    # 401, 403, 404
    "unauthorized": Behaviour(
        "answers 401 for ever, with a challenge of 60 kB",
        "C21",
        status(401, www_authenticate="Bearer " + "x" * 60_000),
        "asks for a login",
    ),
    "unauthorized_oddly": Behaviour(
        "answers 401 for ever, with challenges nobody can read",
        "C21",
        status(
            401, www_authenticate='Bearer realm="\xff, error=\\", , =,Basic,Bearer x=1'
        ),
        "asks for a login",
    ),
    "unauthorized_elsewhere": Behaviour(
        "answers 401 and names metadata of another machine",
        "C21 D7",
        status(
            401,
            www_authenticate='Bearer resource_metadata="http://169.254.169.254/latest"',
        ),
        "asks for a login",
    ),
    "unauthorized_silently": Behaviour(
        "answers 401 without a challenge", "C21", status(401), "asks for a login"
    ),
    "unauthorized_call": Behaviour(
        "answers calls with 401", "C21", on_call(status(401))
    ),
    "forbidden": Behaviour(
        "answers 403 and wants another scope",
        "C21",
        status(403, www_authenticate='Bearer error="insufficient_scope"'),
        "forbids the request",
    ),
    "forbidden_call": Behaviour("answers calls with 403", "C21", on_call(status(403))),
    "session_forgotten": Behaviour(
        "forgets every session at once (404)",
        "C21",
        forgets(404),
        "no longer knows the session",
    ),
    "session_refused": Behaviour(
        "answers 400 to whatever is asked in a session",
        "C21",
        forgets(400),
        "HTTP status 400",
    ),
    "session_gone_in_call": Behaviour(
        "knows no session as soon as a call is made", "C21", on_call(status(404))
    ),
    # redirects
    "redirect_elsewhere": Behaviour(
        "redirects to another origin", "C23", to(ELSEWHERE), _REDIRECTED
    ),
    "redirect_get": Behaviour(
        "redirects so that the POST becomes a GET",
        "C23",
        to(ELSEWHERE, 303),
        _REDIRECTED,
    ),
    "redirect_for_good": Behaviour(
        "redirects for good to a link-local address",
        "C23",
        to("http://169.254.169.254/latest/meta-data", 308),
        _REDIRECTED,
    ),
    "redirect_file": Behaviour(
        "redirects to a file", "C23", to("file:///etc/passwd"), _NO_REQUEST
    ),
    "redirect_script": Behaviour(
        "redirects to a script", "C23", to("javascript:alert(1)"), _NO_REQUEST
    ),
    "redirect_name": Behaviour(
        "redirects to a name that cannot be",
        "C23",
        to("http://xn--zzzzzz-.example/"),
        _NO_REQUEST,
    ),
    "redirect_junk": Behaviour(
        "redirects to an address that is none",
        "C23",
        to("http://[::1/\x00"),
        "illegal header",
    ),
    "redirect_nowhere": Behaviour(
        "redirects without saying where", "C23", status(307), _REDIRECTED
    ),
    "redirect_long": Behaviour(
        "redirects to an address of 60 kB",
        "C23",
        to("/" + "x" * 60_000),
        f"{_REDIRECTED}|broke",
    ),
    "redirect_circle": Behaviour("redirects in circles", "C23", circle, _REDIRECTED),
    # sessions
    "session_bad": Behaviour(
        "gives a session id with blanks and controls",
        "C25",
        in_session("a b\x01c"),
        "illegal session id|broke",
    ),
    "session_long": Behaviour(
        "gives a session id of 64 kB",
        "C25",
        in_session("s" * 65_000),
        "illegal session id",
    ),
    "session_foreign": Behaviour(
        "gives a session id of letters from outside of ASCII",
        "C25",
        in_session("s\xe9\xdf"),
        "illegal session id|broke",
    ),
    "session_twice": Behaviour(
        "gives two session ids",
        "C25",
        when("initialize", twice_session),
        "illegal session id",
    ),
    "session_empty": Behaviour("gives an empty session id", "C25", in_session("")),
    "session_ever_other": Behaviour(
        "gives another session id with every answer", "C25", ever_other_session
    ),
    # what is said and not asked
    "notices_refused": Behaviour(
        "answers every notification with 500",
        "C20",
        on_notice(status(500)),
        "HTTP status 500",
    ),
    "notices_hang": Behaviour(
        "never answers a notification",
        "C4 C20",
        on_notice(silent),
        f"{_MUTE}|took too long",
    ),
    "farewell_hangs": Behaviour(
        "never answers when its session is ended", "C4", on_delete(silent)
    ),
    "farewell_refused": Behaviour(
        "answers 500 when its session is ended", "C20", on_delete(status(500))
    ),
    "late_status": Behaviour(
        "answers calls with 503, after their time",
        "C4 C20",
        on_call(after(4, status(503))),
    ),
    "two_answers": Behaviour(
        "answers each request twice", "C22 C30", both(honest, honest), ""
    ),
}
