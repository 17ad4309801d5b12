"""What the demo prints: where everything is, and commands ready to paste. Pure."""

import json
import posixpath

import msgspec

from bridge.demo.issuer import AUDIENCE, CLIENT_ID


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that runs. ``command`` is how this program was called."""

    bridge: str
    issuer: str
    notes: str
    token: str
    client_secret: str
    command: str


def greeting(scene: Scene) -> str:
    """The whole text."""
    return f"""\
bridge demo: everything below runs on this machine only. Ctrl-C ends it.

  bridge             {scene.bridge}   lets in who has a token of
  identity provider  {scene.issuer}   for development; knows one client
  clock              a child process (stdio)
  notes              {scene.notes} (streamable HTTP)

1. Connect to /sse. The answer is an event stream that stays open (Ctrl-C ends it):

{sse_curl(scene)}

2. Let an MCP client in. Put this into its configuration:

{client_config(scene)}

3. Look at the bridge, in another terminal:

{scene.command} status
{scene.command} tool list

4. Get another token, as a program would. The bridge itself never makes any:

{token_curl(scene)}

The tokens above are valid for 8 hours, or until the demo ends.
Next: your own servers. The README and docs/quickstart.md show how.
"""


def sse_curl(scene: Scene) -> str:
    return (
        f'curl -N -H "Authorization: Bearer {scene.token}" '
        f'-H "Accept: text/event-stream" {scene.bridge}/sse'
    )


def token_curl(scene: Scene) -> str:
    return (
        f"curl -s {scene.issuer}/token -d grant_type=client_credentials "
        f"-d client_id={CLIENT_ID} -d client_secret={scene.client_secret} "
        f"-d audience={AUDIENCE}"
    )


def client_config(scene: Scene) -> str:
    """The entry of an MCP client that speaks streamable HTTP."""
    entry = {
        "type": "http",
        "url": f"{scene.bridge}/mcp",
        "headers": {"Authorization": f"Bearer {scene.token}"},
    }
    return json.dumps({"mcpServers": {"bridge": entry}}, indent=2)


def called_as(program: str, *, folder: str) -> str:
    """How to run this program again, from anywhere, given how it was called."""
    if program.endswith("__main__.py"):
        return "python -m bridge"
    return posixpath.normpath(posixpath.join(folder, program))
