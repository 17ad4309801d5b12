"""``BROWSER`` for a bridge: a person who logs in without a screen.

A bridge gives what it starts almost no environment, so everything is in the arguments:
the folder where each opened address is kept in ``opened.txt`` and the page it ended on
in ``page.html``, and the name of the person.
"""

import shlex
import sys
from pathlib import Path

import httpx

from interop.rig.person import sign_in

_TESTS = Path(__file__).resolve().parents[2]
# No colon in it: that is what separates the commands in BROWSER.
_LAUNCH = (
    f"import sys; sys.path.insert(0, {str(_TESTS)!r}); "
    "from interop.rig.browser import main; main()"
)


def browser_command(folder: Path, person: str = "ada") -> str:
    """The value of ``BROWSER`` for a person who signs in as ``person`` and agrees."""
    return shlex.join([sys.executable, "-c", _LAUNCH, str(folder), person])


def opened(folder: Path) -> list[str]:
    """The addresses the bridge has had opened so far: one for each log-in."""
    record = folder / "opened.txt"
    return record.read_text("utf-8").splitlines() if record.exists() else []


def page(folder: Path) -> str:
    """What the person sees in the end; empty until then."""
    shown = folder / "page.html"
    return shown.read_text("utf-8") if shown.exists() else ""


def main() -> None:
    """Log in at the address of the last argument and come back to the bridge."""
    folder, person, url = sys.argv[1:]
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    with (place / "opened.txt").open("a", encoding="utf-8") as record:
        record.write(f"{url}\n")
    shown = httpx.get(sign_in(url, name=person), timeout=30)
    (place / "page.html").write_text(shown.text, encoding="utf-8")
