"""What Linux says of processes (``/proc``). Elsewhere it says nothing."""

from pathlib import Path

_PROC = Path("/proc")
#: Fields of ``stat`` after the name, counted from the state (proc(5)).
_STATE, _BEGAN = 0, 19
#: Ended already; only its parent has not asked how.
_ENDED = frozenset("ZXx")


class ProcessTable:
    """``root`` is where the kernel shows its processes."""

    def __init__(self, root: Path = _PROC) -> None:
        self._root = root

    @property
    def boot(self) -> str:
        """Names this run of the machine; empty where that is not known."""
        try:
            name = (self._root / "sys/kernel/random/boot_id").read_text("ascii")
        except (OSError, UnicodeDecodeError):
            return ""
        return name.strip()

    def began(self, pid: int) -> int | None:
        """When it began, in ticks since the boot; None: it runs no more."""
        try:
            stat = (self._root / str(pid) / "stat").read_bytes()
        except OSError:
            return None
        # The name is the process's own choice and may hold blanks and brackets.
        fields = stat.rpartition(b")")[2].decode("ascii", "replace").split()
        if len(fields) <= _BEGAN or fields[_STATE] in _ENDED:
            return None
        return int(fields[_BEGAN])
