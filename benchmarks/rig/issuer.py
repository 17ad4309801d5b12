"""An issuer on loopback: one key, its key set, and tokens of many clients."""

import json
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey

Json = dict[str, Any]
AUDIENCE = "bench"
_HOUR = 3600


class Issuer:
    """Mints tokens that hold for an hour."""

    def __init__(self, url: str, key: RSAKey) -> None:
        self.url = url
        self._key = key

    @property
    def auth(self) -> Json:
        """The ``bridge.auth`` section that trusts it."""
        jwks_url = f"{self.url}/keys"
        return {"issuer": self.url, "audience": [AUDIENCE], "jwks_url": jwks_url}

    def token(self, subject: str = "load") -> str:
        """A good token."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": subject,
            "client_id": subject,
            "iat": now,
            "exp": now + _HOUR,
        }
        header = {"alg": "RS256", "kid": "one", "typ": "JWT"}
        return jwt.encode(header, claims, self._key)


@contextmanager
def running_issuer() -> Generator[Issuer]:
    """An issuer that answers for its keys from a thread of this process."""
    key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
    keys = json.dumps({"keys": [key.as_dict(private=False)]}).encode()

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(keys)))
            self.end_headers()
            self.wfile.write(keys)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing: standard error is for what goes wrong."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Issuer(f"http://127.0.0.1:{server.server_port}", key)
    finally:
        server.shutdown()
        server.server_close()
