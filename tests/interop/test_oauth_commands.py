"""`bridge oauth` and `bridge doctor` as they are typed, at a real provider."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from interop.rig.bridge import running_bridge
from interop.rig.command import run_command
from interop.rig.person import sign_in
from interop.rig.process import free_port
from interop.rig.protected import Protected, credential_files, running_protected

pytestmark = pytest.mark.interop

#: A browser that shows nothing to nobody.
NOBODY = {"BROWSER": "true"}


class Typing:
    """A command somebody types into."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.out = ""

    def address(self) -> str:
        """Wait for the line that is an address to open."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.out += line
            if line.startswith("http"):
                return line.strip()
        raise AssertionError(self.out)

    def type_in(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def end(self) -> tuple[int, str]:
        """The exit status and what was said on standard error."""
        out, err = self._process.communicate(timeout=60)
        self.out += out
        assert "Traceback" not in self.out + err
        return self._process.returncode, err


@contextmanager
def typing(*words: str, folder: Path) -> Generator[Typing]:
    home = {"HOME": str(folder), "BRIDGE_HOME": str(folder / "home")}
    process = subprocess.Popen(
        [sys.executable, "-m", "bridge", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, **home, **NOBODY, "PYTHONUNBUFFERED": "1"},
    )
    try:
        yield Typing(process)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def protected(tmp_path: Path) -> Iterator[Protected]:
    with running_protected(tmp_path / "world") as world:
        yield world


def written(folder: Path, config: dict[str, Any]) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def log_in_by_hand(name: str, folder: Path, *more: str) -> str:
    """``oauth login --paste``; what it said."""
    with typing("oauth", "login", name, "--paste", *more, folder=folder) as command:
        command.type_in("hello?")
        command.type_in(str(sign_in(command.address(), name="ada")))
        status, err = command.end()
    assert status == 0, command.out + err
    assert "this is not the address a login ends at" in err
    assert f"logged in to '{name}'" in command.out
    return command.out + err


@pytest.mark.external
@pytest.mark.requirement("R81", "R103", "R112", "R113", "R114")
def test_without_a_bridge_a_login_by_hand_is_seen_checked_and_taken_back(
    protected: Protected, tmp_path: Path
) -> None:
    folder = written(tmp_path / "place", protected.config())
    said: list[str] = []

    def run(*words: str, status: int) -> str:
        ended = run_command(*words, folder=folder, env=NOBODY)
        assert ended.status == status, ended
        said.append(ended.out + ended.err)
        return ended.out

    assert "| calls  | No tokens    | -" in run("oauth", "status", status=1)
    before = run("doctor", "calls", status=1)
    assert "what to do: run `bridge oauth login calls`" in before
    said.append(log_in_by_hand("calls", folder))
    assert "| calls  | Valid        | 20" in run("oauth", "status", "calls", status=0)
    assert "already logged in" in run("oauth", "login", "calls", status=0)
    report = json.loads(run("doctor", "calls", "--format", "json", status=0))
    assert report["servers"][0]["steps"][-1]["said"] == "2 listed"
    run("doctor", "--debug", status=1)  # nobody is logged in to the other one
    [stored] = credential_files(folder / "home").values()
    assert protected.logins()["calls"] == 1

    assert run("oauth", "logout", "--all", status=0).splitlines() == [
        "'stream' was not logged in",
        "logged out of 'calls'",
    ]
    assert protected.provider.counts().revoked >= 1
    assert credential_files(folder / "home") == {}
    for secret in ("access_token", "refresh_token"):
        assert stored[secret] not in "".join(said)


@pytest.mark.external
@pytest.mark.requirement("R81", "R112", "R113", "R114")
def test_beside_a_bridge_a_login_is_shown_and_brought_to_it(
    protected: Protected, tmp_path: Path
) -> None:
    folder = tmp_path / "place"
    with running_bridge(
        protected.config(), folder, env=NOBODY, args=["--no-auth"]
    ) as bridge:

        def pending() -> bool:
            out = run_command("oauth", "status", "calls", folder=folder).out
            return "open this address in a browser:" in out

        bridge.process.wait_until(pending, 30)
        log_in_by_hand("calls", folder)
        shown = run_command("oauth", "status", "calls", folder=folder)
        assert shown.status == 0, shown
        assert "| calls  | Valid        | 20" in shown.out
        assert run_command("doctor", "calls", folder=folder).status == 0
        log_in_by_hand("calls", folder, "--force")
        out = run_command("oauth", "logout", "calls", folder=folder)
        assert (out.status, out.out) == (0, "logged out of 'calls'\n")
        assert run_command("oauth", "status", "calls", folder=folder).status == 1
        unknown = run_command("oauth", "login", "nobody", folder=folder)
        assert unknown.status == 2
        assert unknown.lines[0].endswith("OAuth servers are: stream, calls")
    assert protected.logins()["calls"] == 2


@pytest.mark.external
def test_ctrl_c_gives_a_login_up_in_one_line(
    protected: Protected, tmp_path: Path
) -> None:
    folder = written(tmp_path / "place", protected.config())
    with typing("oauth", "login", "calls", folder=folder) as command:
        command.address()
        command.interrupt()
        assert command.end() == (130, "bridge: given up\n")
    assert credential_files(folder / "home") == {}


def lonely(**oauth: object) -> dict[str, Any]:
    """A server that is not there, and one that has no login."""
    url = f"http://127.0.0.1:{free_port()}/mcp"
    return {
        "mcpServers": {
            "away": {"url": url, "oauth": {"enabled": True, **oauth}},
            "local": {"command": "no-such-program-anywhere"},
        }
    }


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["oauth", "login", "nobody"], 2, "there is no server 'nobody'"),
        (["oauth", "login", "local"], 2, "'local' does not use OAuth"),
        (["oauth", "status", "local"], 2, "OAuth servers are: away"),
        (["oauth", "login", "away"], 1, "not logged in to 'away'"),
        (["oauth", "status", "--port", "9"], 1, "no bridge runs here on port 9"),
        (["doctor", "nobody"], 2, "servers are: away, local"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(
    tmp_path: Path, words: list[str], status: int, said: str
) -> None:
    folder = written(tmp_path / "place", lonely())
    ended = run_command(*words, folder=folder)
    assert ended.status == status, ended
    assert said in ended.lines[0]


def test_without_a_configuration_that_is_said(tmp_path: Path) -> None:
    for words in (["oauth", "status"], ["doctor"]):
        ended = run_command(*words, folder=tmp_path)
        assert ended.status == 2
        assert "configuration" in ended.lines[0]


def test_a_server_that_is_left_out_is_not_passed_over(tmp_path: Path) -> None:
    config = {"mcpServers": {"odd": {"command": "x", "oauth": {"enabled": True}}}}
    folder = written(tmp_path / "place", config)
    for words, status in (["doctor"], 1), (["oauth", "login", "odd"], 2):
        ended = run_command(*words, folder=folder)
        assert ended.status == status
        assert ended.lines[0].startswith("bridge: server 'odd' is left out")
        assert "`bridge check`" in ended.lines[0]


def test_the_doctor_looks_at_every_server(tmp_path: Path) -> None:
    folder = written(tmp_path / "place", lonely())
    ended = run_command("doctor", folder=folder)
    assert ended.status == 1
    assert ended.out.isascii()
    assert "[FAILED] server answers" in ended.out
    assert "[FAILED] command: no program no-such-program-anywhere" in ended.out
    assert ended.out.endswith("every step is well at 0 of 2 servers\n")
