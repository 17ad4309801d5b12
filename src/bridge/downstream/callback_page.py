"""What a person's browser shows after a login: static pages, nothing of the request."""

from html import escape

from bridge.downstream.answer import Headers
from bridge.downstream.message import Response

#: The address of the page holds the code and the state: no script, image, frame or link
#: may carry it away, and no cache may keep it.
HEADERS: Headers = (
    ("content-type", "text/html; charset=utf-8"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("connection", "close"),
)


def page(status: int, title: str, text: str, *, headers: Headers = ()) -> Response:
    """A page of our own words."""
    html = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title></head>\n"
        f"<body><h1>{escape(title)}</h1>\n<p>{escape(text)}</p></body></html>\n"
    )
    return Response(status=status, headers=(*HEADERS, *headers), body=html.encode())


SUCCEEDED = page(200, "Login complete", "This window can be closed.")
FAILED = page(
    400,
    "Login failed",
    "The log and the status of the bridge say why. This window can be closed.",
)
UNFINISHED = page(
    202,
    "Login not finished",
    "The provider is slow to hand over the token. The status of the bridge tells how "
    "it ends. This window can be closed.",
)
UNKNOWN = page(
    400,
    "Not a pending login",
    "No login waits for this answer: it may have ended or timed out. Start it again, "
    "and use the newest address.",
)
USED = page(
    400,
    "Already used",
    "This answer has been taken before. If the login failed, start it again.",
)
MALFORMED = page(400, "Not an answer to a login", "The address was not understood.")
WRONG_HOST = page(400, "Not an address of the bridge", "The host is not this one.")
NOT_FOUND = page(404, "Nothing here", "Only answers to logins are taken here.")
ONLY_GET = page(
    405,
    "Only GET",
    "A provider that sends its answer as a form (response_mode=form_post) is not "
    "supported: it must send the browser back with a redirect.",
    headers=(("allow", "GET"),),
)
