"""What of the upstreams' catalogs is offered at all, to anybody. Pure.

A tool the operator's policy holds back (R128), or that no client could run through us,
leaves here: no table, no list and no route ever meets it.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from bridge.contract.catalog import Catalog, Entry, Held
from bridge.contract.router import Reconfigured, UpstreamPolicy
from bridge.protocol.frame import text
from bridge.router.namespace import exposed_name
from bridge.router.tool_policy import ToolPolicy

_HELD = "held back until its definition is approved: see `bridge tool pending`"
_TASKS_ONLY = "runs only as a task, which no client can ask for through the bridge"


class Withheld(msgspec.Struct, frozen=True):
    """One tool that is not offered; ``name`` is the one it would be seen by."""

    upstream: str
    key: str
    name: str
    reason: str


class Sifted(msgspec.Struct, frozen=True):
    """What is offered, by upstream, and what is not."""

    catalogs: dict[str, Catalog]
    withheld: tuple[Withheld, ...]


class _Verdict(msgspec.Struct, frozen=True):
    policy: UpstreamPolicy
    separator: str
    given: Catalog
    kept: Catalog
    withheld: tuple[Withheld, ...]

    def is_of(self, policy: UpstreamPolicy, separator: str, given: Catalog) -> bool:
        return (
            self.given is given
            and self.separator == separator
            and self.policy == policy
        )


class Sieve:
    """Sifts catalogs; keeps its verdicts, since mostly one upstream changes."""

    def __init__(self) -> None:
        self._verdicts: dict[str, _Verdict] = {}

    def sift(self, rules: Reconfigured, catalogs: Mapping[str, Catalog]) -> Sifted:
        """The catalogs of configured upstreams, in configuration order."""
        verdicts: dict[str, _Verdict] = {}
        for policy in rules.policies:
            given = catalogs.get(policy.name)
            if given is None:
                continue
            known = self._verdicts.get(policy.name)
            if known is None or not known.is_of(policy, rules.separator, given):
                known = _judged(policy, rules.separator, given)
            verdicts[policy.name] = known
        self._verdicts = verdicts
        return Sifted(
            {name: verdict.kept for name, verdict in verdicts.items()},
            tuple(each for v in verdicts.values() for each in v.withheld),
        )


def _judged(policy: UpstreamPolicy, separator: str, given: Catalog) -> _Verdict:
    judge = _Judge(policy, separator)
    tools = tuple(each for each in given.tools if judge.keeps(each))
    held = tuple(each for each in given.held if judge.keeps_name_of(each))
    offered = replace(given, tools=tools, held=held) if judge.withheld else given
    return _Verdict(policy, separator, given, offered, tuple(judge.withheld))


class _Judge:
    def __init__(self, policy: UpstreamPolicy, separator: str) -> None:
        self._policy = policy
        self._separator = separator
        self._limits = ToolPolicy(policy.tool_limits)
        self.withheld: list[Withheld] = []

    def keeps(self, entry: Entry) -> bool:
        reason = self._refusal(entry.key, entry.members)
        if not reason and _needs_tasks(entry):
            reason = _TASKS_ONLY
        return self._noted(entry.key, reason)

    def keeps_name_of(self, held: Held) -> bool:
        """What waits for approval keeps its name, if policy would let it through."""
        if held.kind != "tools":
            return True
        reason = self._refusal(held.key, {})
        self._noted(held.key, reason or _HELD)
        return not reason

    def _refusal(self, key: str, members: Mapping[str, Raw]) -> str:
        return self._limits.refusal(key, self._name(key), members)

    def _noted(self, key: str, reason: str) -> bool:
        if reason:
            name = self._name(key)
            self.withheld.append(Withheld(self._policy.name, key, name, reason))
        return not reason

    def _name(self, key: str) -> str:
        return exposed_name(self._policy.tool_namespace, self._separator, key)


def _needs_tasks(entry: Entry) -> bool:
    """A tool that only runs as a task cannot be called through us (protocol 4.5)."""
    execution = entry.members.get("execution")
    if execution is None:
        return False
    try:
        members = msgspec.json.decode(execution, type=dict[str, Raw])
    except (msgspec.DecodeError, RecursionError):
        return False
    return text(members.get("taskSupport")) == "required"
