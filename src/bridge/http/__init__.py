"""The one place that builds HTTP clients.

httpx over httpcore, over the Network port: the same code runs on sockets and in
simulated worlds. No cookies, no proxies from the environment, no automatic redirects,
no compressed answers, one TLS context for all clients of one verification setting.
"""

from bridge.http.client import Answer, HttpClient, resolve
from bridge.http.clients import ClientPool, HttpClients
from bridge.http.fetcher import Fetched, Fetcher

__all__ = [
    "Answer",
    "ClientPool",
    "Fetched",
    "Fetcher",
    "HttpClient",
    "HttpClients",
    "resolve",
]
