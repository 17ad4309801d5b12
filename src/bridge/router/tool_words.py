"""The words in tools' names that tell what a tool does: the weakest evidence. Pure."""

import re
from collections.abc import Iterable
from typing import Literal

_READING_WORDS = """
count describe diff download explain fetch find get help history info inspect list
lookup peek ping preview read retrieve search show stat stats status summarize tail
tree validate view whoami
"""
_WRITING_WORDS = """
abort accept activate add append apply approve archive assign attach ban cancel clean
clear click configure confirm connect convert create deactivate delete deploy destroy
disable discard dispatch drag drop edit empty enable erase evaluate exec execute fill
generate insert install invite invoke join kick kill launch leave login logout merge
migrate modify move mutate mute navigate overwrite pause pay perform provision publish
purge push put reboot rebuild register reject remove rename reopen replace reset
resolve restart restore resume revert revoke rollback rotate save send shutdown spawn
submit subscribe swap switch sync terminate toggle trigger truncate unassign unban
unblock undo unfollow uninstall unlink unlock unmount unpin unsubscribe update upgrade
upload upsert wipe withdraw write
"""
_EITHER_WORDS = """
block book buy call change charge clone close comment commit copy follow fork format
grant handle import like link lock mark mount open order patch pin play post press
purchase react refund release reply run schedule set share sign start stop store tag
transfer type vote
"""
_READING = frozenset(_READING_WORDS.split())
_WRITING = frozenset(_WRITING_WORDS.split())
#: Verbs that are things as well: after a word that reads they are what is read.
_EITHER = frozenset(_EITHER_WORDS.split())
_JOINING = frozenset({"and", "or", "then"})
#: A verb stands first, or after the name of a product: `slack_list_channels`.
_VERB_WITHIN = 2

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
#: Far above any name clients accept; what is longer is not looked through.
_LONGEST = 512


def told_by_name(name: str) -> tuple[Literal["read", "write"], str] | None:
    """What a name says its tool does, and the word that says so."""
    words = [word.lower() for word in _WORD.findall(name[:_LONGEST])]
    reading = _first(words[:_VERB_WITHIN], _READING)
    both = not _JOINING.isdisjoint(words)
    before = words if both or reading is None else words[: words.index(reading)]
    writing = _first(words, _WRITING) or _first(before, _EITHER)
    if writing is not None:
        return "write", writing
    # Of a name that cannot be read whole, nothing says that it only reads.
    if reading is not None and name.isascii() and len(name) <= _LONGEST:
        return "read", reading
    return None


def _first(words: Iterable[str], known: frozenset[str]) -> str | None:
    return next((word for word in words if word in known), None)
