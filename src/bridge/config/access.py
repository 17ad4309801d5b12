"""Who sees which servers and tools: the rules of ``bridge.access`` (R48)."""

from typing import Annotated

import msgspec

from bridge.config.section import NEEDED, Reading, Section, about


class AccessConditionConfig(Section, frozen=True, kw_only=True):
    """What a token must have, all of it, for a rule to count."""

    strict = True

    scope: Annotated[
        tuple[str, ...],
        about("Scopes the token must have.", Reading(split="", needed=True)),
    ] = ()
    claim: Annotated[
        dict[str, str],
        about(
            "Claim to the value it must be, or hold if it is a list. A path such as "
            "`realm_access.roles` reaches into objects.",
            NEEDED,
        ),
    ] = msgspec.field(default_factory=dict[str, str])


class AccessRuleConfig(Section, frozen=True, kw_only=True):
    """One rule. Once there is any, a client sees only what rules show it."""

    strict = True

    # None and empty differ: what selects nothing by mistake must not select all.
    when: Annotated[
        AccessConditionConfig | None,
        about("For which tokens it counts. Absent: for everybody."),
    ] = None
    servers: Annotated[
        tuple[str, ...] | None,
        about("Servers: names, or patterns with `*` and `?`.", NEEDED),
    ] = None
    tags: Annotated[
        tuple[str, ...] | None,
        about("Servers with any of these tags, besides `servers`.", NEEDED),
    ] = None
    tools: Annotated[
        tuple[str, ...] | None,
        about(
            "Only these of their tools (patterns), and neither prompts nor resources. "
            "Absent: all of them, prompts and resources too.",
            NEEDED,
        ),
    ] = None
    deny: Annotated[
        bool, about("Take away what it selects, whatever other rules show.")
    ] = False
