"""The status as somebody may see it who sees only part of the namespace. Pure.

What is not shown is not counted either; of a server of which single tools are seen,
only its name and state are told.
"""

import msgspec

from bridge.observe.status import BridgeStatus, UpstreamStatus
from bridge.router.board import Board
from bridge.router.policy import View


def seen(status: BridgeStatus, *, view: View, board: Board) -> BridgeStatus:
    """``status`` through a view. What this page does not know of is left out."""
    if view.access.is_full:
        return status
    table = board.table(view)
    policies = {policy.name: policy for policy in board.rules.policies}
    return BridgeStatus(
        version=status.version,
        ready=status.ready,
        uptime=status.uptime,
        sessions=0,
        table_version=status.table_version,
        tools=len(table.entries("tools")),
        prompts=len(table.entries("prompts")),
        resources=len(table.entries("resources")),
        upstreams=tuple(
            each if view.admits_whole(policies[each.name]) else _outline(each)
            for each in status.upstreams
            if each.name in policies and view.admits(policies[each.name])
        ),
    )


def _outline(status: UpstreamStatus) -> UpstreamStatus:
    return UpstreamStatus(
        name=status.name,
        state=status.state,
        since=status.since,
        retry_at=status.retry_at,
        tags=status.tags,
    )


class WithheldTool(msgspec.Struct, frozen=True):
    """A tool nobody is offered, and why."""

    name: str
    server: str
    reason: str


def withheld(view: View, *, board: Board) -> list[WithheldTool]:
    """The tools policy keeps from everybody, for those who may see everything."""
    if not view.access.is_full:
        return []
    policies = {policy.name: policy for policy in board.rules.policies}
    return [
        WithheldTool(each.name, each.upstream, each.reason)
        for each in board.withheld
        if view.admits(policies[each.upstream])
    ]
