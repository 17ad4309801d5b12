"""A pinned upstream: its actor, its record on a disk in memory, and who approves."""

from pathlib import Path
from typing import Any

from bridge.actor.reply import Reply
from bridge.contract.pins import Approval, Approved, PinnedKind
from bridge.contract.upstream import Approve
from bridge.observe.status import HeldStatus, PinStatus
from bridge.upstream.pin_keeper import PinKeeper
from bridge.upstream.pin_shelf import PinStore
from kit.files import MemoryDisk, MemoryFiles
from kit.journal import Journal
from kit.upstream import Bench, ScriptedServer, quiet

HOME = Path("/home/me/.foxxy-bridge")
FILE = HOME / "pins" / "files.json"


class Answers:
    """A reply's sink."""

    def __init__(self) -> None:
        self.given: list[Approved] = []

    def tell(self, event: None) -> None:
        raise AssertionError(event)

    def finish(self, outcome: Approved) -> None:
        self.given.append(outcome)


class Desk:
    """One process: a store, and actors of one upstream, one after the other."""

    def __init__(self, disk: MemoryDisk | None = None) -> None:
        self.files = MemoryFiles(disk)
        self.disk = self.files.disk
        self.journal = Journal()
        self.store = PinStore(HOME, self.files, log=self.journal.log)
        self.statuses: list[PinStatus] = []

    @property
    def status(self) -> PinStatus:
        return self.statuses[-1]

    @property
    def held(self) -> dict[str, HeldStatus]:
        return {each.key: each for each in self.status.held}

    def bench(self, server: ScriptedServer, **settings: Any) -> Bench:
        """An actor of the upstream, with its pins."""
        keeper = PinKeeper(
            self.store.shelf("files"),
            name="files",
            publish=self.statuses.append,
            log=self.journal.log.bind(upstream="files"),
        )
        return Bench(server=server, config=quiet(**settings), pins=keeper)

    def approve(self, bench: Bench, *keys: str, kind: PinnedKind = "tools") -> Answers:
        """Approve what is held back under these names, as it is now."""
        wanted = [(key, self.held[key].hash) for key in keys]
        return self.approve_hashes(bench, dict(wanted), kind=kind)

    def approve_hashes(
        self, bench: Bench, hashes: dict[str, str], *, kind: PinnedKind = "tools"
    ) -> Answers:
        answers = Answers()
        wanted = [Approval(kind=kind, key=k, hash=h) for k, h in hashes.items()]
        reply = Reply[None, Approved](answers)
        bench.post(Approve(wanted=tuple(wanted), reply=reply))
        return answers
