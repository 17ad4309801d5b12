"""``BROWSER`` for a bridge: headless Chromium, and the person in front of it.

Started like `browser`: the folder, the name of the person and what that person does at
the provider's question, ``agree`` or ``cancel``; then the address. What the person sees
in the end is kept in the folder: ``seen.json`` and, for whoever looks into a failure,
``page.png``.
"""

import base64
import json
import shlex
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import msgspec
import trio
from trio_websocket import WebSocketConnection, open_websocket_url

from interop.rig.process import Running

CHROMIUM = "chromium"
_TESTS = Path(__file__).resolve().parents[2]
# No colon in it: that is what separates the commands in BROWSER.
_LAUNCH = (
    f"import sys; sys.path.insert(0, {str(_TESTS)!r}); "
    "from interop.rig.chromium import main; main()"
)
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # the tests may run as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--remote-debugging-port=0",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # loopback only
)
_WITHIN = 60.0

# What the person does with a page, once; its address where there is nothing to do.
_ACT = """
((name, answer) => {
  if (document.readyState !== 'complete' || window.acted) return '';
  const prompt = document.querySelector('[name=prompt]')?.value;
  if (prompt === undefined) return location.href;
  window.acted = true;
  if (prompt === 'login') {
    document.querySelector('[name=login]').value = name;
    document.querySelector('[name=password]').value = 'any will do';
  } else if (answer === 'cancel') {
    document.querySelector('a[href$=abort]').click();
    return '';
  }
  document.querySelector('[type=submit]').click();
  return '';
})(%s, %s)
"""


class Seen(msgspec.Struct, frozen=True):
    """The last page of a log-in, as the person saw it."""

    title: str
    text: str


def chromium_command(folder: Path, *, answer: str, person: str = "ada") -> str:
    """The value of ``BROWSER``; ``answer``: ``agree`` or ``cancel``."""
    return shlex.join([sys.executable, "-c", _LAUNCH, str(folder), person, answer])


def seen(folder: Path) -> Seen | None:
    """What was seen, once it was."""
    report = folder / "seen.json"
    if not report.exists():
        return None
    return msgspec.json.decode(report.read_bytes(), type=Seen)


class Tab:
    """One page, by the DevTools protocol."""

    def __init__(self, socket: WebSocketConnection) -> None:
        self._socket = socket
        self._number = 0

    async def do(self, method: str, **parameters: object) -> dict[str, Any]:
        """Send one command; what it answers, or an empty answer when it failed."""
        self._number += 1
        frame = {"id": self._number, "method": method, "params": parameters}
        await self._socket.send_message(json.dumps(frame))
        while True:
            heard = await self._socket.get_message()
            message = cast("dict[str, Any]", json.loads(heard))
            if message.get("id") == self._number:
                return message.get("result", {})

    async def value(self, script: str) -> str:
        """What ``script`` evaluates to; empty while the page changes under it."""
        answer = await self.do("Runtime.evaluate", expression=script)
        return str(answer.get("result", {}).get("value", ""))


@contextmanager
def _chromium(folder: Path) -> Generator[str]:
    """A running browser; gives the address of its page's debugger."""
    profile = folder / "profile"
    command = [CHROMIUM, *_OPTIONS, f"--user-data-dir={profile}", "about:blank"]
    process = Running(command, folder / "chromium")
    port = profile / "DevToolsActivePort"

    def debugger() -> str:
        lines = port.read_text("utf-8").splitlines() if port.exists() else []
        return _page_of(f"http://127.0.0.1:{lines[0]}") if lines else ""

    try:
        yield process.wait_until(debugger, 30)
    finally:
        process.end()


def _page_of(browser: str) -> str:
    targets = httpx.get(f"{browser}/json/list", timeout=10).json()
    pages = [str(each["webSocketDebuggerUrl"]) for each in targets]
    return pages[0] if pages else ""


async def _log_in(
    debugger: str, url: str, person: str, answer: str, folder: Path
) -> Seen:
    """Go through the pages of the provider, until one is none of them."""
    async with open_websocket_url(debugger) as socket:
        tab = Tab(socket)
        await tab.do("Page.navigate", url=url)
        await _act(tab, _ACT % (json.dumps(person), json.dumps(answer)))
        picture = await tab.do("Page.captureScreenshot")
        (folder / "page.png").write_bytes(base64.b64decode(picture.get("data", "")))
        title = await tab.value("document.title")
        return Seen(title, await tab.value("document.body.innerText"))


async def _act(tab: Tab, script: str) -> None:
    with trio.move_on_after(_WITHIN):
        while True:
            if _is_the_end(await tab.value(script)):
                return
            await trio.sleep(0.1)
    raise AssertionError(f"no end of the log-in within {_WITHIN} s")


def _is_the_end(address: str) -> bool:
    return "/oauth/callback" in address or address.startswith("chrome-error:")


def main() -> None:
    """Log in at the address of the last argument, in a browser of its own."""
    place, person, answer, url = sys.argv[1:]
    folder = Path(place)
    with _chromium(folder) as debugger:
        shown = trio.run(_log_in, debugger, url, person, answer, folder)
    (folder / "seen.json").write_bytes(msgspec.json.encode(shown))
