"""The JSON-RPC envelope: bytes in, frames out, bodies unopened.

``params``, ``result`` and ``error`` stay `msgspec.Raw`: key order, big integers and
unknown members survive. The price is a duty at the door, paid here once: raw newlines
are folded (a newline inside a carried body would break a line- or event-framed link)
and UTF-8 is checked (Raw does not).
"""

import re
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from bridge.errors import FrameInvalid


class Frame(msgspec.Struct, frozen=True, tag_field="jsonrpc", tag="2.0"):
    """One JSON-RPC message (JSON-RPC 2.0 sections 4 and 5, MCP base protocol)."""

    id: int | str | UnsetType = UNSET
    method: str | UnsetType = UNSET
    params: Raw | UnsetType = UNSET
    result: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET

    @property
    def is_request(self) -> bool:
        return self.method is not UNSET and self.id is not UNSET

    @property
    def is_notification(self) -> bool:
        return self.method is not UNSET and self.id is UNSET

    @property
    def is_response(self) -> bool:
        return self.method is UNSET and self.id is not UNSET


class _Wire(msgspec.Struct):
    """What arrives: ``jsonrpc`` is required, ``null`` ids of errors are seen."""

    jsonrpc: Literal["2.0"]
    id: int | str | UnsetType | None = UNSET
    method: str | UnsetType = UNSET
    params: Raw | UnsetType = UNSET
    result: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


_wire = msgspec.json.Decoder(_Wire)
_members = msgspec.json.Decoder(dict[str, Raw])
#: Typed, so that it ends at the first thing that is no message: a batch of a million
#: numbers must not become a million objects first.
_items = msgspec.json.Decoder(list[_Wire])
_encoder = msgspec.json.Encoder()

#: Every escape in turn, so that an escaped backslash is never taken for one's start.
_ESCAPES = re.compile(
    rb"\\(?:"
    rb"u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair
    rb"|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|.)",
    re.DOTALL,
)


def _text_checked(data: bytes) -> bytes:
    """Fold raw newlines and check UTF-8 (protocol 2, rules 1 and 2)."""
    try:
        if not data.isascii():
            data.decode("utf-8")
        if b"\n" in data or b"\r" in data:
            return msgspec.json.format(data, indent=-1)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FrameInvalid("the message is not valid JSON", parse=True) from error
    return data


def _classified(wire: _Wire) -> Frame:
    has_result, has_error = wire.result is not UNSET, wire.error is not UNSET
    if wire.method is not UNSET:
        if has_result or has_error:
            raise FrameInvalid("a request carries neither result nor error")
        if wire.id is None:
            raise FrameInvalid("an id is a string or an integer, never null")
    elif has_result == has_error:
        raise FrameInvalid("a message needs a method, a result or an error")
    elif has_result and (wire.id is UNSET or wire.id is None):
        raise FrameInvalid("a result needs the id it answers")
    return Frame(
        id=UNSET if wire.id is None else wire.id,
        method=wire.method,
        params=wire.params,
        result=wire.result,
        error=wire.error,
    )


def _parse(data: bytes) -> Frame:
    try:
        wire = _wire.decode(data)
    except msgspec.ValidationError as error:
        raise FrameInvalid(f"not a JSON-RPC message: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FrameInvalid("the message is not valid JSON", parse=True) from error
    return _classified(wire)


def decode(data: bytes) -> Frame:
    """One message from a client. Raises `FrameInvalid`; batches are refused."""
    data = _text_checked(data)
    if _has_lone_surrogates(data):
        raise FrameInvalid("the message is not valid JSON", parse=True)
    return _parse(data)


def decode_upstream(data: bytes) -> tuple[Frame, ...]:
    """Messages from an upstream: one, or those of a batch (2025-03-26).

    Lone surrogate escapes are replaced by U+FFFD (rule 4): what an upstream sends is
    passed on as well as it can be. Raises `FrameInvalid`.
    """
    data = _mended(_text_checked(data.removeprefix(b"\xef\xbb\xbf")))
    if data.lstrip()[:1] == b"[":
        return tuple(map(_classified, _batch(data)))
    return (_parse(data),)


def _batch(data: bytes) -> list[_Wire]:
    try:
        return _items.decode(data)
    except msgspec.ValidationError as error:
        raise FrameInvalid(f"not a JSON-RPC message: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FrameInvalid("the message is not valid JSON", parse=True) from error


def _has_surrogates(data: bytes) -> bool:
    # A search for one octet is much faster than for three, and most texts have none.
    return b"\\" in data and (b"\\ud" in data or b"\\uD" in data)


def _has_lone_surrogates(data: bytes) -> bool:
    # Raw bodies are not opened, so the decoder does not see those inside them.
    return _has_surrogates(data) and any(m["lone"] for m in _ESCAPES.finditer(data))


def _mended(data: bytes) -> bytes:
    """Lone surrogate escapes replaced in place; nothing else is touched."""
    if not _has_surrogates(data):
        return data
    return _ESCAPES.sub(lambda m: rb"\ufffd" if m["lone"] else m[0], data)


def encode(frame: Frame) -> bytes:
    """The frame on one line, without a newline."""
    return _encoder.encode(frame)


class _Unattributed(msgspec.Struct, tag_field="jsonrpc", tag="2.0"):
    id: None
    error: Raw


def encode_unattributed(error: Raw) -> bytes:
    """An error answer to a message whose id could not be read (``id: null``)."""
    return _encoder.encode(_Unattributed(id=None, error=error))


def raw(value: object) -> Raw:
    """A value of ours as JSON bytes."""
    return Raw(_encoder.encode(value))


def members(body: Raw | UnsetType) -> dict[str, Raw]:
    """One level of a JSON object, values unopened. Raises `FrameInvalid`."""
    if body is UNSET:
        return {}
    try:
        return _members.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise FrameInvalid("an object was expected") from error


def text(value: Raw | None) -> str | None:
    """The string in ``value``; None when it is absent or something else."""
    if value is None:
        return None
    try:
        return msgspec.json.decode(value, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def text_member(body: Raw | UnsetType, key: str) -> str | None:
    """A string member of an object, for looking only: never raises."""
    try:
        return text(members(body).get(key))
    except FrameInvalid:
        return None


def request(method: str, params: object | None = None, *, id: int | str) -> Frame:  # noqa: A002 - the wire's own word
    """A request of our own."""
    return Frame(id=id, method=method, params=UNSET if params is None else raw(params))


def notification(method: str, params: object | None = None) -> Frame:
    """A notification of our own."""
    return Frame(method=method, params=UNSET if params is None else raw(params))


def value(body: Raw) -> Any:
    """The whole value, decoded: only for what is ours to open."""
    return msgspec.json.decode(body)
