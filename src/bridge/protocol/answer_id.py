"""Which request a message that cannot be read seems to answer. Pure.

JSON that is broken (NaN, bad UTF-8, nested too deep) has no members to ask for, so only
its two ends are looked at, in the spellings real servers use: ``id`` among the first
members, or as the last one. Nothing of the body is searched: an ``id`` in there is the
content's own. Bounded, whatever the size.
"""

import re

_END = 256  # octets at either end

_VERSION = rb'"jsonrpc"\s{0,4}:\s{0,4}"2\.0"'
_ID = rb'"id"\s{0,4}:\s{0,4}(\d{1,18})'
_BODY = rb'"(?:result|error)"\s{0,4}:'
_COMMA = rb"\s{0,4},\s{0,4}"
_FIRST = re.compile(
    rb"\s{0,4}\{\s{0,4}(?:%b%b)?%b(?:%b%b)?%b%b"
    % (_VERSION, _COMMA, _ID, _COMMA, _VERSION, _COMMA, _BODY)
)
_BODY_FIRST = re.compile(rb"\s{0,4}\{\s{0,4}(?:%b%b)?%b" % (_VERSION, _COMMA, _BODY))
_LAST = re.compile(
    rb"%b(?:%b%b%b|%b%b%b|%b)\s{0,4}\}\s{0,4}\Z"
    % (_COMMA, _VERSION, _COMMA, _ID, _ID, _COMMA, _VERSION, _ID)
)


def answered_id(data: bytes) -> int | None:
    """The id of the request; None where it is not plain to see."""
    head = data[:_END].removeprefix(b"\xef\xbb\xbf")
    found = _FIRST.match(head)
    if found is None and _BODY_FIRST.match(head):
        found = _LAST.search(data[-_END:])
    if found is None:
        return None
    return int(next(group for group in found.groups() if group is not None))
