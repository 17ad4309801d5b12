"""What survives what: the table behind ``docs/survival.md``.

Each cell says in a word what happens, and in a sentence what that means; the test of
its row sees it happen on a real bridge and compares the word.
"""

from collections.abc import Mapping
from itertools import chain

import msgspec

_PROOFS = "interop/test_survival"


class Cell(msgspec.Struct, frozen=True):
    """``word`` is what the test has to see."""

    word: str
    sentence: str


class Row(msgspec.Struct, frozen=True):
    """``proof`` is the test that sees all of it; ``more`` go to its limits."""

    meaning: str
    cells: Mapping[str, Cell]
    proof: str
    more: tuple[str, ...] = ()


COLUMNS: tuple[str, ...] = ("client session", "call in flight", "token", "tool list")


def _test(file: str, name: str) -> str:
    return f"tests/{file}.py::test_{name}"


def _row(
    meaning: str,
    *cells: tuple[str, str],
    proof: str,
    more: tuple[str, ...] = (),
) -> Row:
    named = dict(zip(COLUMNS, (Cell(*cell) for cell in cells), strict=True))
    return Row(meaning, named, _test(_PROOFS, proof), more)


ROWS: Mapping[str, Row] = {
    "bridge killed": _row(
        "SIGKILL; then it is started again.",
        ("ended", "Its connection breaks; it opens a new one on the same address."),
        ("cut off", "No answer comes. It may have run, once at most."),
        ("kept", "Read from the disk; nobody logs in again."),
        ("the same", "Listed again as soon as the servers are connected."),
        proof="the_bridge_is_killed",
        more=(
            _test(
                "interop/test_kill_and_restart",
                "after_a_kill_at_any_instant_the_next_start_needs_no_repair",
            ),
            _test(
                "interop/test_store_kills",
                "a_kill_at_any_instant_leaves_a_whole_login_and_no_lock",
            ),
            _test(
                "interop/test_rotation_kills", "no_login_is_lost_and_no_file_is_broken"
            ),
        ),
    ),
    "upstream killed": _row(
        "SIGKILL of a server's process.",
        ("kept", "It notices nothing; other servers answer as usual."),
        ("failed, executed unknown", "One error, at once: it may have run."),
        ("kept", "Logins are the bridge's, not the process's."),
        ("the same", "Its tools stay listed while it is started again."),
        proof="an_upstream_is_killed",
        more=(
            _test(
                "interop/test_kill_child",
                "when_a_child_is_killed_its_calls_fail_once_and_its_tools_come_back",
            ),
            _test(
                "interop/test_calls_and_kills",
                "every_call_is_answered_once_and_truly_while_upstreams_are_killed",
            ),
        ),
    ),
    "provider down": _row(
        "The identity provider of a server answers nothing when a token is due.",
        ("kept", "It notices nothing."),
        ("answered", "The token that is there is good until it expires."),
        ("kept", "Renewed with the same refresh token once the provider is back."),
        ("the same", "The server stays connected and listed."),
        proof="the_provider_is_down",
        more=(
            _test(
                "clock/oauth/test_provider_trouble",
                "while_a_provider_is_down_the_old_token_serves_and_nothing_is_lost",
            ),
        ),
    ),
    "disk full": _row(
        "No file can be written, that of the log neither.",
        ("kept", "It notices nothing."),
        ("answered", "Calls need no disk."),
        ("kept", "Renewed in memory; the old file stays whole until there is room."),
        ("the same", "It needs no disk."),
        proof="the_disk_is_full",
    ),
    "clock jump": _row(
        "The wall clock is set a day forward or back.",
        ("kept", "Waiting goes by another clock."),
        ("answered", "Its deadline goes by another clock."),
        ("kept", "At most one renewal too many."),
        ("the same", "Nothing is connected anew."),
        proof="the_clock_jumps",
        more=(
            _test(
                "clock/oauth/test_refresh",
                "our_clock_set_to_another_day_costs_at_most_one_refresh",
            ),
        ),
    ),
    "network split": _row(
        "Nothing comes through between bridge and server, and nobody is told.",
        ("kept", "Other servers answer as usual."),
        (
            "failed, executed unknown",
            "One error when its time is over; the late answer is dropped.",
        ),
        ("kept", "The server is asked again with the same token."),
        ("the same", "Tools stay listed while it is not known to be lost."),
        proof="the_network_is_split",
    ),
    "reload": _row(
        "The file is changed: one server is taken out, another put in.",
        ("kept", "It goes on, with the servers there are now."),
        ("answered", "A server that is taken out first ends what it has begun."),
        ("kept", "Servers that did not change are not touched."),
        ("follows", "Changed in one step, and announced."),
        proof="the_configuration_is_reloaded",
    ),
}

MATRIX: Mapping[str, Mapping[str, Cell]] = {
    name: row.cells for name, row in ROWS.items()
}

_PAGE = """# What survives what

What becomes of a client's session, of its call in flight, of the login at a server and
of the list of tools when something goes wrong. Every cell is observed on a real bridge:
the test of the row compares the word in front with what it has seen.

This page is generated from `tests/kit/survival.py` by `make docs`.
"""


def survival_page() -> str:
    """The text of ``docs/survival.md``."""
    head = f"\n| | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 1)}\n"
    rows = [_page_row(name, row) for name, row in ROWS.items()]
    return "".join([_PAGE, head, *rows, "\n## Proofs\n\n", *_proofs()])


def _page_row(name: str, row: Row) -> str:
    cells = [f"**{cell.word}**: {cell.sentence}" for cell in row.cells.values()]
    return f"| **{name}** | {' | '.join(cells)} |\n"


def _proofs() -> list[str]:
    return [
        f"- {name}: {row.meaning}"
        + "".join(f"\n  `{test}`" for test in (row.proof, *row.more))
        + "\n"
        for name, row in ROWS.items()
    ]


def named_tests() -> frozenset[str]:
    """Every test the page names."""
    return frozenset(chain.from_iterable((r.proof, *r.more) for r in ROWS.values()))
