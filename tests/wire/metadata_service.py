"""The metadata services of four clouds, from which an SDK gets the identity of the machine that it runs on.

Their addresses exist inside a cloud alone. The SDKs honour `http_proxy`, so this one stands there as a proxy. Alibaba's
sends its other calls through it, too, whatever `no_proxy` says: those are passed on.
"""

from __future__ import annotations

import http.client
import json
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

ROLE = "bridgx-role"
CONTAINER = "/container/credentials"  # where AWS's containers find theirs, at an address of their environment
LIFE = 240  # seconds: so short that every SDK renews at once


@dataclass(frozen=True)
class Temporary:
    """A temporary access key."""

    key: str
    secret: str
    token: str


class MetadataService:
    """Answers with ``current``; where that is None, as on a machine without a role."""

    def __init__(self) -> None:
        self.current: Temporary | None = None
        self.asked: list[str] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(service.answer(urlsplit(self.path).path))

            def do_PUT(self) -> None:
                self._answer("a-session-token")

            def do_POST(self) -> None:
                target = urlsplit(self.path)
                connection = http.client.HTTPConnection(target.netloc, timeout=60)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                connection.request("POST", f"{target.path or '/'}?{target.query}", body, dict(self.headers))
                answer = connection.getresponse()
                data = answer.read()
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.headers["Content-Type"])
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
                connection.close()

            def _answer(self, body: str | None) -> None:
                data = (body or "not found").encode()
                self.send_response(200 if body else 404)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str) -> str | None:
        now = self.current
        if now is None:
            return None
        end = datetime.now(UTC) + timedelta(seconds=LIFE)
        stamp = end.strftime("%Y-%m-%dT%H:%M:%SZ")
        self.asked.append(path)
        answers: dict[str, object] = {
            CONTAINER: {"AccessKeyId": now.key, "SecretAccessKey": now.secret, "Token": now.token, "Expiration": stamp},
            "/latest/meta-data/iam/security-credentials/": ROLE,
            f"/latest/meta-data/iam/security-credentials/{ROLE}": {
                "Code": "Success",
                "LastUpdated": stamp,
                "Type": "AWS-HMAC",
                "AccessKeyId": now.key,
                "SecretAccessKey": now.secret,
                "Token": now.token,
                "Expiration": stamp,
            },
            "/latest/meta-data/ram/security-credentials/": ROLE,
            f"/latest/meta-data/ram/security-credentials/{ROLE}": {
                "Code": "Success",
                "AccessKeyId": now.key,
                "AccessKeySecret": now.secret,
                "SecurityToken": now.token,
                "Expiration": stamp,
            },
            "/latest/meta-data/cam/security-credentials/": ROLE,
            f"/latest/meta-data/cam/security-credentials/{ROLE}": {
                "Code": "Success",
                "TmpSecretId": now.key,
                "TmpSecretKey": now.secret,
                "Token": now.token,
                "ExpiredTime": int(end.timestamp()),
            },
            "/openstack/latest/securitykey": {
                "credential": {
                    "access": now.key,
                    "secret": now.secret,
                    "securitytoken": now.token,
                    "expires_at": end.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                }
            },
        }
        body = answers.get(path)
        return body if isinstance(body, str) or body is None else json.dumps(body)
