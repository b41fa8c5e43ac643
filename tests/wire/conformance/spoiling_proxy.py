"""Something between an adapter and its cloud that lets the calls through and spoils the answers."""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

REQUEST_IDS = ("requestid", "request_id")


def emptied(content: bytes) -> bytes:
    return b""


def an_empty_object(content: bytes) -> bytes:
    return b"{}"


def halved(content: bytes) -> bytes:
    return content[: len(content) // 2]


def without_content(content: bytes) -> bytes:
    """The answer in its own form, without lists, what was made, and ids; numbers, texts and the request's id stay."""
    if content.lstrip().startswith(b"<"):
        root = re.search(rb"<(\w+)[^>]*>", content.partition(b"?>")[2] or content)
        request_id = re.search(rb"<requestId>[^<]*</requestId>", content)
        assert root is not None
        return b"".join((root[0], request_id[0] if request_id else b"", b"</", root[1], b">"))
    body = json.loads(content)
    if "Response" in body:
        return json.dumps({"Response": _scalars(body["Response"])}).encode()
    return json.dumps(_scalars(body)).encode()


def _scalars(members: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in members.items()
        if not isinstance(value, dict | list) and (key.lower() in REQUEST_IDS or not key.lower().endswith("id"))
    }


class SpoilingProxy:
    """Passes on every request. While it is told to, it spoils the bodies of answers; their status stays that of a success.

    ``calls`` counts the calls of one name that the cloud has had.
    """

    def __init__(self, endpoint: str, calls: Callable[[str], int]) -> None:
        self._host = urlsplit(endpoint).netloc
        self._calls = calls
        self._spoil: Callable[[bytes], bytes] | None = None
        self._action = ""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass_on(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, headers, answer = outer._forward(self.command, self.path, self.headers.items(), content)
                self.send_response_only(status)
                for key, value in headers:
                    if key.lower() not in ("content-length", "transfer-encoding", "connection"):
                        self.send_header(key, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_PUT = do_DELETE = _pass_on

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def spoil(self, how: Callable[[bytes], bytes] | None, action: str = "") -> None:
        """Spoils the answers to ``action`` from now on, or to every call; None: no more."""
        self._action, self._spoil = action, how

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _forward(
        self, method: str, path: str, headers: Any, content: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        spoil, action = self._spoil, self._action
        before = self._calls(action) if spoil and action else 0
        connection = http.client.HTTPConnection(self._host)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for key, value in headers:
            if key.lower() != "accept-encoding":
                connection.putheader(key, value)
        connection.endheaders(content)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        if spoil and response.status < 300 and (not action or self._calls(action) > before):
            answer = spoil(answer)
        return response.status, response.getheaders(), answer
