"""A server that speaks Vault's HTTP API as far as a reader of secrets needs it.

Key-value store version 2, tokens and AppRole, after Vault's API documentation
(`secret/kv/kv-v2`, `auth/approle`).
"""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

ROOT_TOKEN = "hvs.root-of-all"
ROLE_ID = "0a1b-role"
SECRET_ID = "secret-id-of-the-role"


class FakeVault:
    """What the server holds, and what it was asked."""

    def __init__(self) -> None:
        self.address = ""
        self.secrets: dict[str, dict[str, Any] | None] = {}
        self.namespace = ""
        self.sealed = False
        self.lease_s = 3600
        self.tokens = {ROOT_TOKEN}
        self.logins = 0

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, Any]:
        """Return status and body of a request."""
        if self.sealed:
            return 503, {"errors": ["Vault is sealed"]}
        if headers.get("X-Vault-Namespace", "") != self.namespace:
            return 404, {"errors": ["no handler for route"]}
        if (method, path) == ("POST", "/v1/auth/approle/login"):
            return self._login(json.loads(body))
        if headers.get("X-Vault-Token") not in self.tokens:
            return 403, {"errors": ["permission denied"]}
        name = path.removeprefix("/v1/secret/data/")
        if method != "GET" or name == path or name not in self.secrets:
            return 404, {"errors": []}
        data = self.secrets[name]
        if data is None:
            gone = {"deletion_time": "2026-01-01T00:00:00Z", "destroyed": False, "version": 2}
            return 404, {"data": {"data": None, "metadata": gone}}
        return 200, {"data": {"data": data, "metadata": {"version": 1, "destroyed": False}}}

    def _login(self, given: dict[str, str]) -> tuple[int, Any]:
        self.logins += 1
        if given != {"role_id": ROLE_ID, "secret_id": SECRET_ID}:
            return 400, {"errors": ["invalid role or secret ID"]}
        token = f"hvs.{secrets.token_hex(8)}"
        self.tokens.add(token)
        return 200, {"auth": {"client_token": token, "lease_duration": self.lease_s}}


@contextmanager
def vault_server() -> Iterator[FakeVault]:
    """Run a server on loopback."""
    vault = FakeVault()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve("GET")

        def do_POST(self) -> None:
            self._serve("POST")

        def _serve(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, answer = vault.answer(method, self.path, self.headers, body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        vault.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield vault
        finally:
            server.shutdown()
            thread.join()
