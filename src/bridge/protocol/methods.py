"""Method names of MCP, and the members of params the bridge must touch.

Params are edited as maps of `Raw`, so that members the bridge does not know survive
(protocol 2, rule 3).
"""

from typing import Final

import msgspec
from msgspec import Raw

from bridge.errors import FrameInvalid
from bridge.protocol.frame import members, raw

INITIALIZE: Final = "initialize"
PING: Final = "ping"
TOOLS_LIST: Final = "tools/list"
TOOLS_CALL: Final = "tools/call"
PROMPTS_LIST: Final = "prompts/list"
PROMPTS_GET: Final = "prompts/get"
RESOURCES_LIST: Final = "resources/list"
RESOURCES_READ: Final = "resources/read"
RESOURCES_TEMPLATES_LIST: Final = "resources/templates/list"
RESOURCES_SUBSCRIBE: Final = "resources/subscribe"
RESOURCES_UNSUBSCRIBE: Final = "resources/unsubscribe"
COMPLETION_COMPLETE: Final = "completion/complete"
LOGGING_SET_LEVEL: Final = "logging/setLevel"
SAMPLING_CREATE_MESSAGE: Final = "sampling/createMessage"
ELICITATION_CREATE: Final = "elicitation/create"
ROOTS_LIST: Final = "roots/list"

INITIALIZED: Final = "notifications/initialized"
CANCELLED: Final = "notifications/cancelled"
PROGRESS: Final = "notifications/progress"
MESSAGE: Final = "notifications/message"
RESOURCES_UPDATED: Final = "notifications/resources/updated"
ELICITATION_COMPLETE: Final = "notifications/elicitation/complete"
ROOTS_LIST_CHANGED: Final = "notifications/roots/list_changed"
TOOLS_LIST_CHANGED: Final = "notifications/tools/list_changed"
PROMPTS_LIST_CHANGED: Final = "notifications/prompts/list_changed"
RESOURCES_LIST_CHANGED: Final = "notifications/resources/list_changed"

#: Log levels from most to least talkative (RFC 5424, MCP logging).
LOG_LEVELS: Final = (
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
)

#: ``_meta`` keys of the modern revision, which legacy upstreams never see (4.4).
_MODERN_META_PREFIX = "io.modelcontextprotocol/"


class CallParams(msgspec.Struct, frozen=True):
    """Params as the upstream gets them, and the client's progress token beside."""

    params: Raw
    progress_token: Raw | None


def for_upstream(given: dict[str, Raw], changes: dict[str, Raw]) -> CallParams:
    """Replace members, take the progress token out, drop what must not pass.

    ``task`` goes because tasks are not offered (protocol 4.5). Raises `FrameInvalid`
    when ``_meta`` is not an object.
    """
    edited = {key: value for key, value in given.items() if key != "task"} | changes
    meta = members(edited.pop("_meta")) if "_meta" in edited else {}
    token = meta.pop("progressToken", None)
    kept = {k: v for k, v in meta.items() if not k.startswith(_MODERN_META_PREFIX)}
    if kept:
        edited["_meta"] = raw(kept)
    return CallParams(raw(edited), token)


def required_text(given: dict[str, Raw], key: str) -> str:
    """The string member ``key``. Raises `FrameInvalid` when it is not there."""
    try:
        return msgspec.json.decode(given[key], type=str)
    except (KeyError, msgspec.DecodeError, UnicodeDecodeError):
        raise FrameInvalid(f"params.{key} must be a string") from None
