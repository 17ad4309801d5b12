"""A seeded editor of configurations: servers come, go, change, break, are repaired."""

import json
import random
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from interop.rig.servers import scripted_entry

Entry = dict[str, Any]
NO_PROGRAM = "/no/such/program"


class Edit(msgspec.Struct, frozen=True):
    """One content of the file. ``valid``: it can be applied; ``kept``: the servers it
    names that can be reached."""

    what: str
    text: str
    valid: bool
    kept: frozenset[str]


class RandomEditor:
    """Edits the servers ``stdio`` as it likes, those of ``fixed`` only in ways that
    their callers must not feel. ``section`` is that of the bridge."""

    def __init__(
        self,
        chance: random.Random,
        *,
        stdio: tuple[str, ...],
        fixed: Mapping[str, Entry],
        section: Mapping[str, Any],
    ) -> None:
        self._chance = chance
        self._stdio = stdio
        self._fixed = dict(fixed)
        self._section = dict(section)
        self._servers = self._at_first()

    def _at_first(self) -> dict[str, Entry]:
        return {**self._fixed, **{name: scripted_entry() for name in self._stdio}}

    def original(self) -> Edit:
        """Every server, as at first."""
        self._servers = self._at_first()
        return self._edit("original")

    def next(self) -> Edit:
        """The next content of the file."""
        kinds = (
            *(self._change, self._change, self._change, self._add, self._add),
            *(self._remove, self._disable, self._reorder, self._ruin, self._repair),
            *(self._cut_the_file, self._spoil_an_entry, self._turn_a_key),
        )
        return self._chance.choice(kinds)()

    def _change(self) -> Edit:
        name = self._chance.choice(list(self._servers))
        more: list[Entry] = [
            {"tags": [self._word()]},
            {"timeout": self._chance.randint(30, 90)},
            {"priority": self._chance.randint(1, 200)},
            {"logLevel": self._chance.choice(["ERROR", "INFO", "DEBUG"])},
            {"maxInFlight": self._chance.randint(32, 64)},
        ]
        if name in self._stdio:
            more += [{"env": {"WORD": self._word()}}, self._slow_start()]
        entry = self._chance.choice(more)
        if self._servers[name].get("command") == NO_PROGRAM:
            entry.pop("args", None)
        self._servers[name] = {**self._servers[name], **entry}
        return self._edit(f"change {name} {[*entry]}")

    def _slow_start(self) -> Entry:
        return {"args": scripted_entry(str(self._chance.choice([0, 0.3])))["args"]}

    def _add(self) -> Edit:
        name = self._chance.choice(self._stdio)
        self._servers.setdefault(name, scripted_entry())
        return self._edit(f"add {name}")

    def _remove(self) -> Edit:
        name = self._chance.choice(self._stdio)
        self._servers.pop(name, None)
        return self._edit(f"remove {name}")

    def _disable(self) -> Edit:
        return self._put("enabled", value=self._chance.random() < 0.4)

    def _ruin(self) -> Edit:
        return self._put("command", value=NO_PROGRAM)

    def _repair(self) -> Edit:
        for name in self._servers:
            if name in self._stdio:
                self._servers[name] = scripted_entry()
        return self._edit("repair all")

    def _put(self, key: str, *, value: object) -> Edit:
        name = self._chance.choice(self._stdio)
        if name in self._servers:
            self._servers[name] = {**self._servers[name], key: value}
        return self._edit(f"{key} of {name}: {value}")

    def _reorder(self) -> Edit:
        servers = list(self._servers.items())
        self._chance.shuffle(servers)
        self._servers = dict(servers)
        return self._edit("reorder")

    def _turn_a_key(self) -> Edit:
        how = self._chance.choice(["namespace", "priority", "first"])
        self._section["conflictResolution"] = how
        self._section["pageSize"] = self._chance.randint(0, 3)
        return self._edit(f"conflictResolution {how}")

    def _cut_the_file(self) -> Edit:
        text = self._text(self._servers)
        cut = self._chance.randrange(len(text))
        return Edit("cut the file", text[:cut], valid=False, kept=self._kept())

    def _spoil_an_entry(self) -> Edit:
        text = self._text({**self._servers, "spoilt": {"timeout": 1}})
        return Edit("spoil an entry", text, valid=False, kept=self._kept())

    def _word(self) -> str:
        return f"word{self._chance.randrange(1_000)}"

    def _edit(self, what: str) -> Edit:
        return Edit(what, self._text(self._servers), valid=True, kept=self._kept())

    def _kept(self) -> frozenset[str]:
        return frozenset(_reachable(self._servers.items()))

    def _text(self, servers: Mapping[str, Entry]) -> str:
        return json.dumps({"mcpServers": servers, "bridge": self._section})


def _reachable(servers: Iterable[tuple[str, Entry]]) -> Iterable[str]:
    for name, entry in servers:
        if entry.get("enabled", True) and entry.get("command") != NO_PROGRAM:
            yield name
