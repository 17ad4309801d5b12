"""Real tokens, a real bridge: who sees what, while tokens and the file change."""

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from interop.rig.bridge import RunningBridge, running_bridge
from interop.rig.command import run_command
from interop.rig.config_file import ConfigFile
from interop.rig.event_stream import INITIALIZED, Json, handshake, request
from interop.rig.process import Running, answers, free_port
from interop.rig.servers import scripted_entry
from kit.issuer import SigningKey, claims, key_set, make_key, mint

pytestmark = [pytest.mark.interop, pytest.mark.requirement("R48", "R128", "R142")]

SERVERS = {
    "open": scripted_entry(tags=["everybody"]),
    "vault": scripted_entry(
        tool_security={"block_tools": ["sleep"]},
    ),
}
RULES: list[Json] = [
    {"when": {"scope": "ops"}, "servers": ["*"]},
    {
        "when": {"claim": {"realm.groups": "staff"}},
        "servers": ["vault"],
        "tools": ["pid"],
    },
    {"tags": ["everybody"], "tools": ["echo", "pid"]},
]


class Issuer:
    """Signs tokens; its keys are a file that a web server gives out."""

    def __init__(self, url: str, key: SigningKey) -> None:
        self.url = url
        self._key = key
        self._issued = 0

    def token(self, scope: str = "", **more: object) -> str:
        """A token of alice, issued after every one before."""
        self._issued += 1
        now = int(time.time())
        said = claims(
            iss=self.url,
            aud="bridge",
            sub="alice",
            scope=scope,
            iat=now - 20 + self._issued,
            nbf=now - 30,
            exp=now + 600,
        )
        return mint(self._key, {**said, **more})


@contextmanager
def running_issuer(folder: Path) -> Generator[Issuer]:
    key = make_key("k1")
    (folder / "keys.json").write_bytes(key_set(key))
    port = free_port()
    server = Running(
        [
            *(sys.executable, "-m", "http.server", str(port)),
            *("--bind", "127.0.0.1", "--directory", str(folder)),
        ],
        folder,
    )
    try:
        server.wait_until(lambda: answers(port), 20)
        yield Issuer(f"http://127.0.0.1:{port}", key)
    finally:
        server.end()


class Client:
    """One session on a view of ``/mcp``, with whatever token is in hand."""

    def __init__(self, http: httpx.Client, url: str, token: str) -> None:
        self._http = http
        self._url = url
        self.token = token
        self._session: dict[str, str] = {}
        opened = self.post(handshake(0))
        self._session = {"mcp-session-id": opened.headers["mcp-session-id"]}
        assert self.post(INITIALIZED).status_code == 202

    def post(self, message: Json) -> httpx.Response:
        headers = {
            "authorization": f"Bearer {self.token}",
            "accept": "application/json, text/event-stream",
            **self._session,
        }
        return self._http.post(self._url, json=message, headers=headers)

    def tools(self) -> list[str]:
        """What is listed, without those whose names differ from start to start."""
        said = self.post(request(1, "tools/list")).raise_for_status().json()
        listed = [str(tool["name"]) for tool in said["result"]["tools"]]
        return [name for name in listed if "born" not in name]

    def call(self, tool: str, **arguments: object) -> Any:
        asked = {"name": tool, "arguments": arguments}
        return self.post(request(2, "tools/call", asked)).raise_for_status().json()


OPEN = ["open__echo", "open__pid"]
VAULT = ["vault__echo", "vault__pid", "vault__grow"]
OPERATORS = ["open__echo", "open__pid", "open__grow", "open__sleep", *VAULT]


def config(issuer: Issuer, **section: object) -> tuple[Json, dict[str, str]]:
    environment = {
        "OAUTH_ISSUER": issuer.url,
        "OAUTH_AUDIENCE": "bridge",
        "OAUTH_JWKS_URL": f"{issuer.url}/keys.json",
    }
    return {"mcpServers": SERVERS, "bridge": {"access": RULES, **section}}, environment


def get(bridge: RunningBridge, path: str, token: str) -> httpx.Response:
    return httpx.get(bridge.url + path, headers={"authorization": f"Bearer {token}"})


async def test_each_token_finds_its_own_bridge_and_a_narrower_one_narrows_it(
    tmp_path: Path,
) -> None:
    with running_issuer(tmp_path) as issuer, httpx.Client(timeout=30) as http:
        file, environment = config(issuer)
        with running_bridge(file, tmp_path, env=environment) as bridge:
            wide = issuer.token("ops")
            operator = Client(http, f"{bridge.url}/mcp", wide)
            assert operator.tools() == OPERATORS
            guest = Client(http, f"{bridge.url}/mcp", issuer.token())
            assert guest.tools() == OPEN
            assert "result" in guest.call("open__echo", text="hello")
            hidden, unknown = guest.call("vault__pid"), guest.call("vault__xyz")
            assert hidden["error"]["message"] == "unknown tool: vault__pid"
            hidden["error"]["message"] = unknown["error"]["message"]
            assert hidden == unknown
            for path in ("/sse/mcp/vault", "/sse/mcp/vault/list_tools"):
                assert get(bridge, path, guest.token).status_code == 404
            guest.token = staff = issuer.token(realm={"groups": ["staff"]})
            assert guest.tools() == [*OPEN, "vault__pid"]
            single = Client(http, f"{bridge.url}/mcp/server/vault", staff)
            assert single.tools() == ["vault__pid"]
            assert operator.call("vault__sleep")["error"]["code"] == -32602
            operator.token = issuer.token("other")
            assert operator.tools() == OPEN
            operator.token = wide
            refused = operator.post(request(3, "tools/list"))
            assert refused.status_code == 401
            assert 'error="invalid_token"' in refused.headers["www-authenticate"]
            reasons = {line["reason"] for line in bridge.events("call.withheld")}
            assert reasons == {
                "not in what this client's token and address show",
                "named in block_tools of this server",
            }
            log = bridge.process.output()
            assert wide not in log
            assert "staff" not in log


async def test_new_rules_in_the_file_reach_open_sessions(tmp_path: Path) -> None:
    with running_issuer(tmp_path) as issuer, httpx.Client(timeout=30) as http:
        config_now, environment = config(issuer)
        with running_bridge(config_now, tmp_path, env=environment) as bridge:
            guest = Client(http, f"{bridge.url}/mcp", issuer.token())
            assert guest.tools() == OPEN
            pid = guest.call("open__pid")
            file = ConfigFile(bridge, tmp_path)
            everything = [*RULES, {"servers": ["*"]}]
            file.path.write_text(
                file.text(
                    SERVERS,
                    access=everything,
                    read_only_mode=True,
                    tool_security={"classification_overrides": {"pid": "read"}},
                )
            )
            plan = await file.reload()
            assert sorted(plan["live"]) == ["access", "read_only_mode", "tool_security"]
            assert guest.tools() == ["open__pid", "vault__pid"]
            assert guest.call("open__pid") == pid  # nobody was restarted for it
            file.path.write_text(file.text(SERVERS, access=RULES[:1]))
            await file.reload()
            assert guest.tools() == []
            assert "error" in guest.call("open__pid")


async def test_the_command_line_tells_what_is_withheld_and_why(tmp_path: Path) -> None:
    with running_issuer(tmp_path) as issuer:
        file, environment = config(issuer, read_only_mode=True)
        with running_bridge(file, tmp_path, env=environment) as bridge:
            port = ("--port", str(bridge.port))
            status = run_command("status", *port, folder=tmp_path)
            assert "withheld: open__echo (open): read-only mode" in status.out
            assert "see `bridge tool list --all`" in status.out
            listed = run_command("tool", "list", "--all", *port, folder=tmp_path)
            assert "read-only mode, and it may write" in listed.out
            assert "named in block_tools of this server" in listed.out
            plain = run_command("tool", "list", *port, folder=tmp_path)
            assert "read-only" not in plain.out
        where = str(tmp_path / "config.json")
        said = run_command("check", "--config", where, folder=tmp_path, env=environment)
        assert said.status == 0
        assert "refused, by this server: sleep" in said.out
        assert "realm.groups = staff" in said.out
