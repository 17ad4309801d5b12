"""Strict reading of what strangers send: base64url and JSON (pure)."""

import base64
import binascii
import json
import re

import msgspec

_ALPHABET = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


class NotStrict(Exception):
    """The text has more than one reading, or none."""


def decode_base64url(text: str) -> bytes:
    """Bytes of unpadded base64url in its one canonical spelling.

    Raises `NotStrict` for padding, blanks, foreign characters, an impossible length
    and unused bits that are set: two spellings of one signature are two tokens.
    """
    if not _ALPHABET.fullmatch(text):
        raise NotStrict
    try:
        octets = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise NotStrict from None
    if base64.urlsafe_b64encode(octets).rstrip(b"=").decode() != text:
        raise NotStrict
    return octets


def decode_object(octets: bytes) -> dict[str, object]:
    """One JSON object in which every member, at every depth, occurs once.

    Read twice: msgspec holds to the grammar (no NaN, no lone surrogates, UTF-8 only),
    the standard library then shows every pair. Raises `NotStrict`, also for nesting
    and numbers beyond what either can hold.
    """
    try:
        msgspec.json.decode(octets)
        value: object = json.loads(octets.decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError):  # DecodeError and UnicodeDecodeError are both
        raise NotStrict from None
    if not isinstance(value, dict):
        raise NotStrict
    return value  # pyright: ignore[reportUnknownVariableType] - made by _unique


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members
