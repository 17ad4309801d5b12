"""Telling a client that its lists are others now."""

from collections.abc import Iterable

from bridge.protocol import methods
from bridge.protocol.frame import Frame, encode
from bridge.router.policy import View
from bridge.router.session import Session
from bridge.router.table import Kind

NOTICE: dict[Kind, str] = {
    "tools": methods.TOOLS_LIST_CHANGED,
    "prompts": methods.PROMPTS_LIST_CHANGED,
    "resources": methods.RESOURCES_LIST_CHANGED,
    "templates": methods.RESOURCES_LIST_CHANGED,
}


def flag(session: Session, kinds: Iterable[Kind]) -> None:
    """One notice per list; one that is still queued says it already."""
    for method in {NOTICE[kind]: None for kind in kinds}:
        session.outbox.flag(method, encode(Frame(method=method)))


def show(session: Session, view: View) -> bool:
    """Let a session see another part of the namespace, from now on.

    Its client is told to read every list again: what it last read may be older than
    either table. False: it sees that part already.
    """
    if view == session.view:
        return False
    session.view = view
    if session.active:
        flag(session, NOTICE)
    return True
