"""The layers of the architecture: who may know whom.

A room imports from rows above its own, as `ROOMS` says, and from the libraries its row
names. The table is that of the architecture page; change both together.
"""

import sys
from pathlib import Path

import msgspec
import pytest

from kit.imports import SOURCE, imported, modules


class Room(msgspec.Struct, frozen=True):
    """What one room may know besides itself, the standard library and msgspec."""

    rooms: frozenset[str]
    libraries: frozenset[str]


def room(rooms: str = "", libraries: str = "") -> Room:
    return Room(frozenset(rooms.split()), frozenset(libraries.split()))


GROUND = "errors loopback ports observe protocol oauth actor"
FIRST = f"{GROUND} config contract http"
INNER = f"{FIRST} identity wire upstream router downstream"
LIBRARIES = (
    "trio httpx httpcore h2 trio_websocket hypercorn h11 structlog joserfc "
    "cryptography keyring mcp_types rich click prometheus_client rapidfuzz"
)

ROOMS = {
    # layer 0
    "errors": room(),
    "loopback": room(),
    "ports": room("", "trio"),
    "observe": room("errors ports", "structlog prometheus_client"),
    "protocol": room("errors", "mcp_types"),
    "oauth": room("errors loopback", "joserfc cryptography"),
    "actor": room("errors ports observe", "trio"),
    # layer 1
    "config": room("errors loopback", "rapidfuzz"),
    "contract": room("errors observe protocol actor"),
    "http": room("errors loopback ports config", "httpx httpcore h2 trio"),
    # layer 2
    "identity": room(FIRST, "joserfc cryptography trio httpx"),
    "wire": room(
        FIRST.replace("oauth ", ""), "trio httpx httpcore trio_websocket wsproto h11"
    ),
    # layer 3
    "upstream": room(f"{FIRST} wire", "trio mcp_types cryptography keyring"),
    "router": room(FIRST, "trio mcp_types"),
    # layer 4
    "downstream": room(f"{FIRST} identity router", "trio hypercorn h11 mcp_types"),
    # layer 5: the real world, the composition, the commands
    "browser": room("errors ports config", "trio"),
    "private_files": room("errors ports", "trio"),
    "orphans": room("errors observe ports", "trio"),
    "system": room("errors ports browser private_files", "trio"),
    "overview": room("actor contract observe"),
    "supervision": room("actor observe"),
    "pulse": room("actor observe", "trio"),
    "gauges": room("actor observe router", "trio"),
    "control": room(f"{FIRST} router overview supervision", "trio"),
    "approvals": room(FIRST, "trio"),
    "file_watch": room("errors ports config", "trio"),
    "reload": room(FIRST, "trio"),
    "fleet": room(f"{FIRST} upstream control", "trio"),
    "assembly": room(f"{INNER} approvals fleet", "trio"),
    "app": room(
        f"{INNER} control gauges supervision approvals fleet assembly reload",
        LIBRARIES,
    ),
    "demo": room(f"{INNER} system control app cli", LIBRARIES),
    "cli": room(
        f"{INNER} orphans system control app demo file_watch pulse reload", LIBRARIES
    ),
    "__main__": room("cli"),
}
"""The package itself, ``bridge``, holds the version and re-exports; nothing asks it
for more, so importing it is free to all."""

PURE = (
    *("bridge.errors", "bridge.loopback", "bridge.protocol"),
    *("bridge.oauth", "bridge.config"),
    *("bridge.contract.catalog", "bridge.contract.principal"),
    *("bridge.actor.restart", "bridge.observe.redact", "bridge.observe.catalogue"),
    *("bridge.identity.policy", "bridge.identity.verifier"),
    *("bridge.overview", "bridge.observe.outlook", "bridge.observe.tree"),
    *("bridge.observe.ages",),
    *("bridge.supervision", "bridge.upstream.gravity"),
    *("bridge.upstream.state", "bridge.upstream.health", "bridge.upstream.calls"),
    *("bridge.upstream.line", "bridge.upstream.breaker", "bridge.actor.bucket"),
    *("bridge.reload.plans",),
    *("bridge.router.namespace", "bridge.router.table", "bridge.router.policy"),
)
"""Takes events and the time, returns actions: nothing that waits, sends or logs."""

IMPURE = frozenset({"trio", "httpx", "httpcore", "structlog", "hypercorn", "socket"})
FOREIGN_LOOPS = frozenset({"asyncio", "anyio", "curio", "threading"})
WATCHDOG = "bridge.cli.serve"
"""The one thread: it ends a process whose loop is stuck, so it must not be on it."""

MODULES = modules()
KNOWN = frozenset(MODULES)


def breaches(module: str, names: set[str]) -> list[str]:
    """What ``module`` imports and must not, one sentence each."""
    own = module.split(".")[1]
    allowed = ROOMS[own]
    tops = {name.split(".")[0] for name in names} - sys.stdlib_module_names
    strangers = tops - {"bridge", "msgspec"} - allowed.libraries
    rooms = {name.split(".")[1] for name in names if name.startswith("bridge.")}
    return [f"{module} uses the library {name}" for name in sorted(strangers)] + [
        f"{module} knows the room {name}"
        for name in sorted(rooms - {own} - allowed.rooms)
    ]


def imports_of(module: str) -> set[str]:
    return imported(MODULES[module].read_text(), KNOWN)


@pytest.mark.parametrize("module", sorted(KNOWN - {"bridge"}))
def test_a_room_knows_only_what_lies_below_it(module: str) -> None:
    assert breaches(module, imports_of(module)) == []


@pytest.mark.parametrize("module", sorted(KNOWN))
def test_the_program_runs_on_one_loop_only(module: str) -> None:
    tops = {name.split(".")[0] for name in imports_of(module)}
    allowed = {"threading"} if module == WATCHDOG else set[str]()
    assert not tops & (FOREIGN_LOOPS - allowed)


@pytest.mark.parametrize(
    "module", sorted(name for name in KNOWN if name.startswith(PURE))
)
def test_pure_modules_neither_wait_nor_send_nor_log(module: str) -> None:
    tops = {name.split(".")[0] for name in imports_of(module)}
    assert not tops & IMPURE


def test_the_table_has_no_cycle_and_names_every_room() -> None:
    below: set[str] = set()
    for name, allowed in ROOMS.items():
        assert allowed.rooms <= ROOMS.keys(), name
        if name not in {"demo", "cli"}:  # these two start each other
            assert allowed.rooms <= below | {name}, name
        below.add(name)
    assert {module.split(".")[1] for module in KNOWN - {"bridge"}} <= ROOMS.keys()


def test_upstream_and_router_meet_in_the_contract_only() -> None:
    assert "router" not in ROOMS["upstream"].rooms
    assert "upstream" not in ROOMS["router"].rooms


@pytest.mark.parametrize(
    ("module", "source", "breach"),
    [
        ("bridge.router.x", "import bridge.upstream.actor", "knows the room upstream"),
        ("bridge.router.x", "from bridge.upstream import y", "knows the room upstream"),
        ("bridge.router.x", "from bridge import wire", "knows the room wire"),
        ("bridge.protocol.x", "def f():\n    import trio", "uses the library trio"),
        ("bridge.upstream.x", "import bridge.system", "knows the room system"),
        ("bridge.wire.x", "import bridge.oauth.token", "knows the room oauth"),
    ],
)
def test_a_breach_is_found_wherever_it_hides(
    module: str, source: str, breach: str
) -> None:
    names = imported(source, KNOWN | {"bridge.wire"})
    assert breaches(module, names) == [f"{module} {breach}"]


def test_an_import_for_typing_only_counts_as_well() -> None:
    source = "if TYPE_CHECKING:\n    from trio import Event"
    assert imported(source) == {"trio"}


def test_relative_imports_are_refused() -> None:
    with pytest.raises(ValueError, match="relative"):
        imported("from . import state")


def test_modules_are_found_by_their_dotted_names(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("a/__init__.py", "a/b/__init__.py", "a/b/c.py"):
        (tmp_path / name).touch()
    assert set(modules(tmp_path)) == {"a", "a.b", "a.b.c"}
    assert MODULES["bridge.errors"] == SOURCE / "bridge" / "errors.py"
