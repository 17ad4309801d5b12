"""The addresses the bridge is known by as an OAuth client. Pure."""

from urllib.parse import urlsplit

CLIENT_NAME = "MCP Trio Bridge"
CALLBACK_PATH = "/oauth/callback"
CLIENT_METADATA_PATH = "/oauth/client-metadata.json"


def redirect_uri(host: str, port: int) -> str:
    """Where browsers come back to; ``host`` as in ``redirect_host`` (R86)."""
    return f"http://{host}:{port}{CALLBACK_PATH}"


def client_metadata_url(public_url: str) -> str:
    """Address of our client id metadata document, and so our client id.

    Empty unless ``public_url`` is https: no provider would fetch it.
    """
    if urlsplit(public_url).scheme != "https":
        return ""
    return public_url.rstrip("/") + CLIENT_METADATA_PATH
