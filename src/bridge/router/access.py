"""What a client may see of the namespace (R48). Pure.

Without rules everybody sees everything. With rules a client sees what the rules that
count for its token show, less what others of them deny; nothing else exists for it.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import cast

import msgspec

from bridge.config.glob import Globs, globs
from bridge.contract.access import AccessRule, Entitlement
from bridge.contract.router import UpstreamPolicy


class Access(msgspec.Struct, frozen=True, cache_hash=True):
    """The rules that count for one client: equal for all who see the same."""

    limited: bool = False
    shown: tuple[AccessRule, ...] = ()
    denied: tuple[AccessRule, ...] = ()

    @property
    def is_full(self) -> bool:
        """Sees everything there is, and whatever is added later."""
        everything = any(_is_everything(rule) for rule in self.shown)
        return not self.limited or (everything and not self.denied)

    def sees(self, policy: UpstreamPolicy) -> bool:
        """Whether anything of an upstream may be seen."""
        return not self.limited or (
            _any_selects(self.shown, policy) and not self._denies_all_of(policy)
        )

    def sees_whole(self, policy: UpstreamPolicy) -> bool:
        """Whether more than single tools may be seen: its prompts and resources."""
        whole = (rule for rule in self.shown if not rule.tools)
        return not self.limited or (
            _any_selects(whole, policy) and not self._denies_all_of(policy)
        )

    def tools_of(self, policy: UpstreamPolicy) -> "ToolSight":
        """Which tools of an upstream may be seen; its rules are looked up once."""
        if not self.limited:
            return _EVERY_TOOL
        return ToolSight(
            shown=[rule for rule in self.shown if _selects(rule, policy)],
            denied=[rule for rule in self.denied if _selects(rule, policy)],
        )

    def _denies_all_of(self, policy: UpstreamPolicy) -> bool:
        return _any_selects((r for r in self.denied if not r.tools), policy)


FULL = Access()


class ToolSight:
    """The rules that select one upstream, ready to be asked for each of its tools."""

    def __init__(
        self, *, shown: Sequence[AccessRule], denied: Sequence[AccessRule]
    ) -> None:
        self._all_shown = any(not rule.tools for rule in shown)
        self._all_denied = any(not rule.tools for rule in denied)
        self._shown = _tools_in(shown)
        self._denied = _tools_in(denied)

    def has(self, key: str, name: str) -> bool:
        """``key`` is its name at its server, ``name`` the one clients would see."""
        if self._all_denied or self._denied.first_match(key, name) is not None:
            return False
        return self._all_shown or self._shown.first_match(key, name) is not None


def _tools_in(rules: Iterable[AccessRule]) -> Globs:
    return globs(tuple(pattern for rule in rules for pattern in rule.tools))


_EVERY_TOOL = ToolSight(shown=[AccessRule()], denied=[])


def access_of(rules: Sequence[AccessRule], entitlement: Entitlement) -> Access:
    """What these rules give to who holds this token."""
    if not rules:
        return FULL
    counting = [rule for rule in rules if _counts(rule, entitlement)]
    return Access(
        limited=True,
        shown=tuple(rule for rule in counting if not rule.deny),
        denied=tuple(rule for rule in counting if rule.deny),
    )


def is_older(entitlement: Entitlement, *, than: Entitlement) -> bool:
    """Whether one token was issued before another; by its end where that is equal."""
    return _age(entitlement) < _age(than)


def _age(entitlement: Entitlement) -> tuple[float, float]:
    return _time(entitlement.claims.get("iat")), _time(entitlement.claims.get("exp"))


def _time(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _counts(rule: AccessRule, entitlement: Entitlement) -> bool:
    return rule.scopes <= entitlement.scopes and all(
        _holds(entitlement.claims, claim, value) for claim, value in rule.claims
    )


def _holds(claims: Mapping[str, object], path: str, wanted: str) -> bool:
    """Whether a claim is a value, or is a list that holds it."""
    found = _claim_at(claims, path)
    values = cast("list[object]", found) if isinstance(found, list) else [found]
    return any(_as_text(value) == wanted for value in values)


def _claim_at(claims: Mapping[str, object], path: str) -> object:
    """The claim of this very name, else the one its dots lead to."""
    if path in claims:
        return claims[path]
    return reduce(_member, path.split("."), cast("object", claims))


def _member(value: object, name: str) -> object:
    if not isinstance(value, Mapping):
        return None
    return cast("Mapping[str, object]", value).get(name)


def _as_text(value: object) -> str | None:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int():
            return str(value)
        case _:
            return None


def _any_selects(rules: Iterable[AccessRule], policy: UpstreamPolicy) -> bool:
    return any(_selects(rule, policy) for rule in rules)


def _selects(rule: AccessRule, policy: UpstreamPolicy) -> bool:
    if not rule.servers and not rule.tags:
        return True
    if not rule.tags.isdisjoint(policy.tags):
        return True
    return globs(rule.servers).first_match(policy.name, policy.slug) is not None


def _is_everything(rule: AccessRule) -> bool:
    unlimited = not rule.servers and not rule.tags
    return not rule.tools and (unlimited or "*" in rule.servers)
