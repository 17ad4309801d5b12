"""The command the conformance runner starts as "the client": a bridge and its driver.

The runner appends the address of the scenario's server. A real bridge gets it as its
one upstream, under unchanged names; an SDK client in front of the bridge does what the
scenario waits for. All output of the bridge ends up in the runner's ``stderr.txt``.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import mcp_types as types
import trio
from mcp import Client, MCPError
from mcp.client.context import ClientRequestContext

from interop.rig.bridge import RunningBridge, running_bridge
from interop.rig.browser import browser_command
from interop.rig.process import free_port
from interop.rig.sdk import sdk_client, tool_names, until_listed

Json = dict[str, Any]

#: The document the suite expects a client to name; nobody ever fetches it.
CLIENT_METADATA = "https://conformance-test.local/client-metadata.json"
#: Here the server or its provider is not to be trusted: nobody may end up logged in.
REFUSED = frozenset(
    {
        "auth/resource-mismatch",
        "auth/iss-supported-missing",
        "auth/iss-wrong-issuer",
        "auth/iss-unexpected",
        "auth/iss-normalized",
        "auth/metadata-issuer-mismatch",
    }
)
ARGUMENTS: dict[str, Json] = {"add_numbers": {"a": 5, "b": 3}}
_WITHIN = 40.0
_GAVE_UP = ("oauth.login_failed", "oauth.preflight_failed", "oauth.discovery_failed")


def entry(url: str, scenario: str, context: Json) -> Json:
    """The upstream of a scenario, as an operator would write it."""
    flat = {f"{kind}Namespace": "" for kind in ("tool", "prompt", "resource")}
    return {
        "url": url,
        "transport": "streamablehttp",
        **flat,
        "oauth": _oauth(context, cimd=scenario == "auth/basic-cimd")
        if scenario.startswith("auth/")
        else {},
    }


def _oauth(context: Json, *, cimd: bool) -> Json:
    given = {
        "client_id": context.get("client_id"),
        "client_secret": context.get("client_secret"),
        "issuer": context.get("issuer"),
        "private_key": context.get("private_key_pem"),
        "signing_algorithm": context.get("signing_algorithm"),
        "client_metadata_url": CLIENT_METADATA if cimd else None,
    }
    kept = {key: value for key, value in given.items() if value is not None}
    if str(context.get("name", "")).startswith("auth/client-credentials"):
        kept["grant"] = "client_credentials"
    if "private_key" in kept:
        kept["token_endpoint_auth_method"] = "private_key_jwt"
    return {"enabled": True, **kept}


async def _accept_defaults(
    context: ClientRequestContext, params: types.ElicitRequestParams
) -> types.ElicitResult:
    """A person who agrees with whatever the form holds already."""
    assert isinstance(params, types.ElicitRequestFormParams)
    properties = cast("dict[str, Json]", params.requested_schema["properties"])
    content = {
        name: field["default"]
        for name, field in properties.items()
        if "default" in field
    }
    return types.ElicitResult(action="accept", content=content)


async def _call_all(client: Client) -> None:
    """Call each tool; repeat one that waits for a wider log-in."""
    for name in await until_listed(client, bool, _WITHIN):
        await _call(client, name)


async def _call(client: Client, name: str) -> None:
    said = ""
    with trio.move_on_after(_WITHIN):
        while True:
            try:
                result = await client.call_tool(name, ARGUMENTS.get(name, {}))
            except MCPError as error:
                said = str(error)
            else:
                if not result.is_error:
                    return
                said = str(result.content)
            await trio.sleep(0.2)
    raise AssertionError(f"{name} did not answer within {_WITHIN} s, but: {said}")


async def _greet(client: Client, _bridge: RunningBridge) -> None:
    assert await tool_names(client) == []


async def _use(client: Client, _bridge: RunningBridge) -> None:
    await _call_all(client)


async def _echo_schema(client: Client, _bridge: RunningBridge) -> None:
    """Send back, unchanged, what the client saw of another tool's input."""
    await until_listed(client, bool, _WITHIN)
    focal, echo = (await client.list_tools(cache_mode="refresh")).tools
    await client.call_tool(echo.name, {"schema": focal.input_schema})


async def _refuse(client: Client, bridge: RunningBridge) -> None:
    await bridge.process.seen(lambda: any(map(bridge.events, _GAVE_UP)), _WITHIN)
    await trio.sleep(1)  # time to do what it must not
    assert await tool_names(client) == []


async def _insist(client: Client, _bridge: RunningBridge) -> None:
    """Go on asking a server that never has enough; it counts the log-ins."""
    with trio.move_on_after(8):
        while True:
            assert await tool_names(client) == []
            await trio.sleep(0.2)


def _driver(scenario: str) -> Callable[[Client, RunningBridge], Any]:
    if scenario in REFUSED:
        return _refuse
    special = {
        "initialize": _greet,
        "auth/scope-retry-limit": _insist,
        "json-schema-2020-12-preservation": _echo_schema,
    }
    return special.get(scenario, _use)


async def drive(url: str, scenario: str, context: Json, folder: Path) -> None:
    """One scenario, from the start of the bridge to its end."""
    config = {
        "mcpServers": {"only": entry(url, scenario, context)},
        "bridge": {"oauth_port": free_port()},
    }
    env = {"BROWSER": browser_command(folder / "browser")}
    args = ["--no-auth", "--debug"]
    with running_bridge(config, folder, env=env, args=args) as bridge:
        try:
            async with sdk_client(
                f"{bridge.url}/mcp", on_question=_accept_defaults
            ) as client:
                await _driver(scenario)(client, bridge)
        finally:
            print(bridge.process.output(), file=sys.stderr)


def main() -> None:
    scenario = os.environ["MCP_CONFORMANCE_SCENARIO"]
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))
    folder = Path.cwd() / scenario.replace("/", "-")
    trio.run(drive, sys.argv[1], scenario, context, folder)


if __name__ == "__main__":
    main()
