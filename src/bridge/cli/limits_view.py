"""Pure: the limits of a configuration in words, for `bridge check`."""

from collections.abc import Iterable, Iterator

from bridge.config.model import Config
from bridge.contract.access import AccessRule, ToolLevel, ToolLimits
from bridge.router.rules import rules_of

TOOL_COLUMNS = ("Server", "Tools are")
ACCESS_COLUMNS = ("Rule", "For", "Does", "Servers", "Tools")


def tool_rows(config: Config) -> Iterator[tuple[str, str]]:
    """Each limit of each enabled server, one by one."""
    for policy in rules_of(config).policies:
        for limit in tool_limits(policy.tool_limits):
            yield policy.name, limit


def tool_limits(limits: ToolLimits) -> Iterator[str]:
    """What holds for the tools of one server, the strongest word first."""
    yield from _said("refused", ((each, each.block_tools) for each in limits.levels))
    if limits.read_only:
        yield "only those that read"
        yield from (f"taken for {kind}: {name}" for name, kind in limits.kinds)
    for level in limits.levels:
        excepted = bool(level.allow_patterns or level.block_patterns)
        by_name = "whatever patterns say" if excepted else "only these"
        yield from _said("refused", [(level, level.block_patterns)])
        yield from _said("only these", [(level, level.allow_patterns)])
        yield from _said(by_name, [(level, level.allow_tools)])


def _said(
    what: str, lists: Iterable[tuple[ToolLevel, tuple[str, ...]]]
) -> Iterator[str]:
    for level, names in lists:
        if names:
            yield f"{what}, by {level.name}: {_listed(names)}"


def access_rows(config: Config) -> Iterator[tuple[str, ...]]:
    """Each rule, in the order of the file."""
    for number, rule in enumerate(rules_of(config).access, start=1):
        yield (
            str(number),
            who(rule),
            "denies" if rule.deny else "shows",
            which_servers(rule),
            which_tools(rule),
        )


def who(rule: AccessRule) -> str:
    """For whom a rule counts."""
    asked = [f"scope {scope}" for scope in sorted(rule.scopes)]
    asked += [f"{claim} = {value}" for claim, value in rule.claims]
    return " and ".join(asked) or "everybody"


def which_servers(rule: AccessRule) -> str:
    tags = f"tagged {' or '.join(sorted(rule.tags))}" if rule.tags else ""
    named = _listed(rule.servers)
    return " or ".join(part for part in (named, tags) if part) or "all"


def which_tools(rule: AccessRule) -> str:
    return _listed(rule.tools) if rule.tools else "all, prompts and resources too"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
