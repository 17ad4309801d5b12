"""Which tools an operator lets through: classification, lists, and what wins."""

from typing import Any

import pytest
from msgspec import Raw

from bridge.contract.access import ToolKind, ToolLevel, ToolLimits
from bridge.protocol.frame import raw
from bridge.router.tool_policy import ToolPolicy, classify

pytestmark = pytest.mark.requirement("R128", "D16")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("get_issue", "read"),
        ("list-pull-requests", "read"),
        ("readFile", "read"),
        ("slack_list_channels", "read"),
        ("S3GetObject", "read"),
        ("SEARCH", "read"),
        ("get_commit", "read"),
        ("list_open_orders", "read"),
        ("show_run_log", "read"),
        ("create_issue", "write"),
        ("issues.delete", "write"),
        ("deleteFile", "write"),
        ("DROP_TABLE", "write"),
        ("get_or_create_user", "write"),
        ("read_and_mark_message", "write"),
        ("list_then_comment", "write"),
        ("slack_post_message", "write"),
        ("run_query", "write"),
        ("get_deleted_files", "read"),  # not a verb: what has been deleted
        ("my_server_tool_list", "unknown"),  # the verb stands too far back
        ("frobnicate", "unknown"),
        ("deletefile", "unknown"),
        ("forget", "unknown"),
        ("get_dеlete", "unknown"),  # noqa: RUF001 - a Cyrillic letter
        ("get_" + "x" * 600, "unknown"),
        ("", "unknown"),
        ("__", "unknown"),
    ],
)
def test_a_name_tells_by_its_words(name: str, kind: ToolKind) -> None:
    assert classify(name, None).kind == kind


@pytest.mark.parametrize(
    ("annotations", "kind"),
    [
        ({"readOnlyHint": True}, "read"),
        ({"readOnlyHint": True, "destructiveHint": False}, "read"),
        ({"readOnlyHint": False}, "write"),
        ({"destructiveHint": True}, "write"),
        ({"readOnlyHint": True, "destructiveHint": True}, "write"),
        ({"readOnlyHint": False, "destructiveHint": False}, "write"),
    ],
)
@pytest.mark.parametrize("name", ["get_x", "delete_x", "frobnicate"])
def test_annotations_count_before_the_name(
    annotations: dict[str, bool], kind: ToolKind, name: str
) -> None:
    found = classify(name, raw(annotations))
    assert found.kind == kind
    assert "annotation" in found.because


@pytest.mark.parametrize(
    "annotations",
    [
        None,
        raw({}),
        raw({"title": "x", "destructiveHint": False}),
        raw({"readOnlyHint": "true"}),
        raw({"readOnlyHint": 1}),
        raw({"readOnlyHint": None}),
        raw([True]),
        raw(None),
        Raw(b"{broken"),
        Raw(b'{"readOnlyHint": tru\xff}'),
        Raw(b"[" * 100_000),
    ],
)
def test_annotations_that_say_nothing_leave_it_to_the_name(
    annotations: Raw | None,
) -> None:
    assert classify("get_x", annotations).kind == "read"
    assert classify("delete_x", annotations).kind == "write"
    assert classify("frobnicate", annotations).kind == "unknown"


@pytest.mark.parametrize("kind", ["read", "write", "unknown"])
def test_an_override_counts_before_everything(kind: ToolKind) -> None:
    found = classify("delete_x", raw({"destructiveHint": True}), kind)
    assert (found.kind, found.because) == (kind, "classification_overrides says so")


def limits(
    *levels: ToolLevel,
    read_only: bool = False,
    kinds: tuple[tuple[str, ToolKind], ...] = (),
) -> ToolLimits:
    return ToolLimits(read_only=read_only, levels=levels, kinds=kinds)


def level(name: str = "bridge", **lists: tuple[str, ...]) -> ToolLevel:
    return ToolLevel(name=name, **lists)


def reason(made: ToolLimits, key: str, **members: Any) -> str:
    """Why the tool ``key`` of the server ``git`` is withheld."""
    given = {name: raw(value) for name, value in members.items()}
    return ToolPolicy(made).refusal(key, f"git__{key}", given)


def test_without_limits_everything_passes() -> None:
    assert ToolPolicy(limits()).lets_all_through
    assert reason(limits(kinds=(("x", "write"),)), "delete_everything") == ""


@pytest.mark.parametrize("kind", ["write", "unknown"])
def test_read_only_mode_lets_through_only_what_is_known_to_read(kind: ToolKind) -> None:
    made = limits(read_only=True, kinds=(("git__x", kind),))
    assert reason(made, "get_log") == ""
    assert reason(made, "x").startswith("read-only mode, and it ")
    assert reason(made, "delete_log") == (
        "read-only mode, and it writes: its name says 'delete'"
    )
    assert reason(made, "frob") == (
        "read-only mode, and it may write: "
        "neither annotations nor its name say what it does"
    )
    assert reason(made, "frob", annotations={"readOnlyHint": True}) == ""


def test_an_override_fits_either_name_and_the_shown_one_counts_first() -> None:
    made = limits(
        read_only=True, kinds=(("PUSH", "read"), ("git__pull", "read"), ("tag", "read"))
    )
    assert reason(made, "push") == ""
    assert reason(made, "pull") == ""
    both = limits(read_only=True, kinds=(("tag", "read"), ("git__tag", "write")))
    assert reason(both, "tag") != ""


@pytest.mark.parametrize(
    ("levels", "key", "expected"),
    [
        # block_tools wins over everything, by either name, at either level
        ((level(block_tools=("push",)),), "push", "named in block_tools of bridge"),
        ((level(block_tools=("GIT__push",)),), "Push", "named in block_tools"),
        (
            (level(allow_tools=("push",)), level("this server", block_tools=("push",))),
            "push",
            "named in block_tools of this server",
        ),
        # block_patterns of both levels add up
        ((level(block_patterns=("del*",)),), "delete", "fits 'del*' in block_patterns"),
        (
            (level(block_patterns=("x*",)), level("s", block_patterns=("git__d*",))),
            "delete",
            "fits 'git__d*' in block_patterns of s",
        ),
        ((level(block_patterns=("del*",)),), "log", ""),
        # allow_tools over patterns, of either level
        (
            (level(block_patterns=("*",)), level("s", allow_tools=("log",))),
            "log",
            "",
        ),
        ((level(block_patterns=("*",), allow_tools=("log",)),), "push", "fits '*'"),
        ((level(allow_patterns=("get_*",), allow_tools=("log",)),), "log", ""),
        # beside patterns it names exceptions; alone it is the whole list
        ((level(block_patterns=("d*",), allow_tools=("drop",)),), "log", ""),
        ((level(allow_tools=("log",)),), "log", ""),
        ((level(allow_tools=("log",)),), "push", "not named in allow_tools of bridge"),
        # allow_patterns of each level must allow
        ((level(allow_patterns=("get_*",)),), "get_x", ""),
        ((level(allow_patterns=("git__*",)),), "anything", ""),
        (
            (level(allow_patterns=("get_*",)),),
            "put_x",
            "fits nothing in allow_patterns of bridge",
        ),
        (
            (level(allow_patterns=("*_x",)), level("s", allow_patterns=("get_*",))),
            "put_x",
            "fits nothing in allow_patterns of s",
        ),
        (
            (level(allow_patterns=("*_x",)), level("s", allow_patterns=("get_*",))),
            "get_x",
            "",
        ),
        # what is blocked is blocked, though a pattern allows it
        (
            (level(allow_patterns=("*",), block_patterns=("put*",)),),
            "put",
            "fits 'put*' in block_patterns",
        ),
    ],
)
def test_lists_combine(levels: tuple[ToolLevel, ...], key: str, expected: str) -> None:
    found = reason(limits(*levels), key)
    assert found.startswith(expected)
    assert bool(found) is bool(expected)


def test_no_list_lifts_read_only_mode() -> None:
    made = limits(level(allow_tools=("push",), allow_patterns=("*",)), read_only=True)
    assert reason(made, "push").startswith("read-only mode")
