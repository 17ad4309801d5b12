"""What the rules give to whose token, and what of an upstream that is."""

import pytest

from bridge.contract.access import NO_TOKEN, AccessRule, Entitlement
from bridge.contract.router import UpstreamPolicy
from bridge.router.access import FULL, Access, access_of, is_older
from bridge.router.policy import EVERYTHING, View
from kit.routing import policy

pytestmark = pytest.mark.requirement("R48")

GIT = policy("git", tags=frozenset({"dev", "code"}))
PAY = policy("payroll")
SLUGGED = UpstreamPolicy(
    name="Git Hub",
    slug="git-hub",
    tool_namespace="",
    prompt_namespace="",
    resource_namespace="",
)
ALL = AccessRule(servers=("*",))


def entitled(*scopes: str, **claims: object) -> Entitlement:
    return Entitlement(frozenset(scopes), claims)


def counts(rule: AccessRule, entitlement: Entitlement) -> bool:
    return access_of((rule,), entitlement).shown == (rule,)


def test_without_rules_everybody_sees_everything() -> None:
    assert access_of((), NO_TOKEN) == FULL
    assert FULL.is_full
    assert FULL.sees(PAY)
    assert FULL.sees_whole(PAY)
    assert FULL.tools_of(PAY).has("x", "payroll__x")


def test_with_any_rule_nothing_is_seen_but_what_is_shown() -> None:
    access = access_of((AccessRule(servers=("git",)),), NO_TOKEN)
    assert not access.is_full
    assert (access.sees(GIT), access.sees_whole(GIT)) == (True, True)
    assert access.tools_of(GIT).has("x", "git__x")
    assert (access.sees(PAY), access.sees_whole(PAY)) == (False, False)
    assert not access.tools_of(PAY).has("x", "payroll__x")


@pytest.mark.parametrize(
    ("rule", "entitlement", "expected"),
    [
        (AccessRule(), NO_TOKEN, True),
        (AccessRule(scopes=frozenset({"a"})), NO_TOKEN, False),
        (AccessRule(scopes=frozenset({"a"})), entitled("a", "b"), True),
        (AccessRule(scopes=frozenset({"a", "c"})), entitled("a", "b"), False),
        (AccessRule(scopes=frozenset({"a"})), entitled("A"), False),
    ],
)
def test_a_rule_needs_every_scope(
    rule: AccessRule, entitlement: Entitlement, *, expected: bool
) -> None:
    assert counts(rule, entitlement) is expected


@pytest.mark.parametrize(
    ("claim", "wanted", "claims", "expected"),
    [
        ("groups", "ops", {"groups": "ops"}, True),
        ("groups", "ops", {"groups": ["dev", "ops"]}, True),
        ("groups", "ops", {"groups": ["dev", "opsx"]}, False),
        ("groups", "ops", {"groups": "ops dev"}, False),
        ("groups", "ops", {}, False),
        ("groups", "ops", {"groups": None}, False),
        ("groups", "ops", {"groups": {"ops": True}}, False),
        ("groups", "ops", {"groups": [["ops"]]}, False),
        ("groups", "ops", {"groups": []}, False),
        ("vip", "true", {"vip": True}, True),
        ("vip", "false", {"vip": False}, True),
        ("vip", "1", {"vip": True}, False),
        ("level", "3", {"level": 3}, True),
        ("level", "3", {"level": 3.0}, False),
        ("realm.roles", "ops", {"realm": {"roles": ["ops"]}}, True),
        ("realm.roles", "ops", {"realm": ["roles"]}, False),
        ("realm.roles", "ops", {"realm": {}}, False),
        ("https://x.io/a", "ops", {"https://x.io/a": "ops"}, True),
        ("a.b", "own", {"a.b": "own", "a": {"b": "nested"}}, True),
        ("a.b", "nested", {"a.b": "own", "a": {"b": "nested"}}, False),
        ("", "ops", {"groups": "ops"}, False),
    ],
)
def test_a_claim_is_the_value_or_a_list_that_holds_it(
    claim: str, wanted: str, claims: dict[str, object], *, expected: bool
) -> None:
    rule = AccessRule(claims=((claim, wanted),))
    assert counts(rule, Entitlement(frozenset(), claims)) is expected


def test_every_condition_of_a_rule_must_hold() -> None:
    rule = AccessRule(scopes=frozenset({"s"}), claims=(("a", "1"), ("b", "2")))
    assert counts(rule, entitled("s", a="1", b="2"))
    assert not counts(rule, entitled("s", a="1"))
    assert not counts(rule, entitled(a="1", b="2"))


@pytest.mark.parametrize(
    ("rule", "upstream", "expected"),
    [
        (AccessRule(servers=("g*",)), GIT, True),
        (AccessRule(servers=("GIT",)), GIT, True),
        (AccessRule(servers=("p*",)), GIT, False),
        (AccessRule(servers=("git-hub",)), SLUGGED, True),
        (AccessRule(servers=("Git Hub",)), SLUGGED, True),
        (AccessRule(tags=frozenset({"dev", "x"})), GIT, True),
        (AccessRule(tags=frozenset({"x"})), GIT, False),
        (AccessRule(tags=frozenset({"x"}), servers=("git",)), GIT, True),
        (AccessRule(tags=frozenset({"dev"}), servers=("other",)), GIT, True),
        (AccessRule(tools=("x*",)), GIT, True),
    ],
)
def test_a_rule_selects_by_name_or_by_tag(
    rule: AccessRule, upstream: UpstreamPolicy, *, expected: bool
) -> None:
    assert access_of((rule,), NO_TOKEN).sees(upstream) is expected


def test_a_rule_with_tools_shows_these_and_nothing_else_of_the_server() -> None:
    access = access_of((AccessRule(servers=("git",), tools=("get_*",)),), NO_TOKEN)
    assert access.sees(GIT)
    assert not access.sees_whole(GIT)
    assert access.tools_of(GIT).has("get_x", "git__get_x")
    assert not access.tools_of(GIT).has("put_x", "git__put_x")
    by_shown_name = access_of((AccessRule(tools=("git__*",)),), NO_TOKEN)
    assert by_shown_name.tools_of(GIT).has("put_x", "git__put_x")
    assert not by_shown_name.tools_of(PAY).has("get_x", "payroll__get_x")


def test_rules_add_up() -> None:
    rules = (
        AccessRule(servers=("git",), tools=("get_*",)),
        AccessRule(servers=("git",), tools=("list_*",)),
        AccessRule(scopes=frozenset({"all"}), servers=("git",)),
    )
    some = access_of(rules, NO_TOKEN)
    assert some.tools_of(GIT).has("list_x", "git__list_x")
    assert not some.sees_whole(GIT)
    assert access_of(rules, entitled("all")).sees_whole(GIT)


def test_what_is_denied_is_gone_whatever_is_shown() -> None:
    rules = (ALL, AccessRule(servers=("payroll",), deny=True))
    access = access_of(rules, NO_TOKEN)
    assert not access.is_full
    assert (access.sees(GIT), access.sees(PAY)) == (True, False)
    assert not access.sees_whole(PAY)
    assert not access.tools_of(PAY).has("x", "payroll__x")


def test_denied_tools_leave_the_rest_of_the_server() -> None:
    rules = (AccessRule(servers=("git",), tools=("push",), deny=True), ALL)
    access = access_of(rules, NO_TOKEN)
    assert (access.sees(GIT), access.sees_whole(GIT)) == (True, True)
    assert not access.tools_of(GIT).has("push", "git__push")
    assert access.tools_of(GIT).has("pull", "git__pull")
    assert access.tools_of(PAY).has("push", "payroll__push")


def test_a_denial_counts_only_for_those_it_is_about() -> None:
    rules = (ALL, AccessRule(scopes=frozenset({"guest"}), servers=("git",), deny=True))
    assert access_of(rules, NO_TOKEN).is_full
    assert not access_of(rules, entitled("guest")).sees(GIT)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (ALL, True),
        (AccessRule(servers=("git", "*")), True),
        (AccessRule(servers=("**",)), False),
        (AccessRule(servers=("*",), tools=("x",)), False),
        (AccessRule(tags=frozenset({"dev"})), False),
        (AccessRule(tags=frozenset({"dev"}), servers=("*",)), True),
    ],
)
def test_full_access_is_what_includes_servers_of_tomorrow(
    rule: AccessRule, *, expected: bool
) -> None:
    assert access_of((rule,), NO_TOKEN).is_full is expected


def test_who_sees_the_same_shares_a_view() -> None:
    rules = (AccessRule(servers=("git",)), AccessRule(scopes=frozenset({"x"})))
    one = EVERYTHING.seen_with(access_of(rules, entitled("a", sub="1")))
    other = EVERYTHING.seen_with(access_of(rules, entitled("b", sub="2")))
    assert one == other
    assert hash(one) == hash(other)
    assert one != EVERYTHING.seen_with(access_of(rules, entitled("x")))


def test_a_view_is_its_place_and_what_access_leaves_of_it() -> None:
    place = View(tags=frozenset({"dev"}))
    none = Access(limited=True)
    assert place.place is place
    assert place.seen_with(none).place == place
    assert place.admits(GIT)
    assert not place.seen_with(none).admits(GIT)
    only = Access(limited=True, shown=(AccessRule(tools=("x",)),))
    assert place.seen_with(only).admits(GIT)
    assert not place.seen_with(only).admits_whole(GIT)
    assert not place.seen_with(only).admits(PAY)


@pytest.mark.parametrize(
    ("one", "other", "older"),
    [
        ({"iat": 1, "exp": 9}, {"iat": 2, "exp": 3}, True),
        ({"iat": 2}, {"iat": 1}, False),
        ({"iat": 1, "exp": 5}, {"iat": 1, "exp": 6}, True),
        ({"iat": 1, "exp": 5}, {"iat": 1, "exp": 5}, False),
        ({"exp": 5}, {"exp": 6.5}, True),
        ({}, {}, False),
        ({"iat": "soon"}, {"iat": 1}, True),
    ],
)
def test_tokens_are_ordered_by_issue_then_by_end(
    one: dict[str, object], other: dict[str, object], *, older: bool
) -> None:
    found = is_older(entitled(**one), than=entitled(**other))
    assert found is older


def test_an_entitlement_never_shows_its_claims() -> None:
    assert "secret" not in repr(entitled(sub="secret"))
