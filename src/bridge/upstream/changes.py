"""What is different between two catalogs, for the log (C35: a rug pull is seen)."""

import msgspec

from bridge.contract.catalog import Catalog, Entry
from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.upstream import canonical
from bridge.upstream.discovery import KINDS, KindName

_LOGGED = 20  # changed definitions told one by one; the event counts all
_KEY_SHOWN = 128


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A definition that has kept its name but not its content."""

    kind: KindName
    key: str
    old_hash: str
    new_hash: str


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    added: int
    removed: int
    changes: tuple[Change, ...]


def digest(entry: Entry) -> str:
    """A short name for a definition's content; where it is pinned, the beginning of
    its hash there."""
    return canonical.digest(canonical.canonical(entry))[:12]


def difference(old: Catalog, new: Catalog) -> Comparison:
    """Compare two catalogs entry by entry."""
    added = removed = 0
    changes: list[Change] = []
    for kind in KINDS:
        before = _by_key(old, kind.name)
        after = _by_key(new, kind.name)
        added += len(after.keys() - before.keys())
        removed += len(before.keys() - after.keys())
        changes += filter(
            None,
            (
                _change(kind.name, before[key], entry)
                for key, entry in after.items()
                if key in before and before[key] != entry
            ),
        )
    return Comparison(added=added, removed=removed, changes=tuple(changes))


def _change(kind: KindName, old: Entry, new: Entry) -> Change | None:
    """None: it is only written in another way."""
    old_hash, new_hash = digest(old), digest(new)
    if old_hash == new_hash:
        return None
    key = new.key[:_KEY_SHOWN]
    return Change(kind=kind, key=key, old_hash=old_hash, new_hash=new_hash)


def compare(old: Catalog, new: Catalog, *, log: Log) -> None:
    """Log what has changed, if anything."""
    found = difference(old, new)
    if not (found.added or found.removed or found.changes):
        return
    log.emit(
        events.UPSTREAM_CATALOG_CHANGED,
        added=found.added,
        removed=found.removed,
        changed=len(found.changes),
    )
    for change in found.changes[:_LOGGED]:
        log.emit(
            events.UPSTREAM_DEFINITION_CHANGED,
            kind=change.kind,
            key=change.key,
            old_hash=change.old_hash,
            new_hash=change.new_hash,
        )


def _by_key(catalog: Catalog, kind: KindName) -> dict[str, Entry]:
    entries: tuple[Entry, ...] = getattr(catalog, kind)
    return {entry.key: entry for entry in entries}
