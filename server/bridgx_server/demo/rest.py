"""A small REST client, by the standard library, for the tour."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

TIMEOUT = 120.0  # seconds


class RestError(Exception):
    """The API refused; the text is its own."""


class Rest:
    """Calls the REST API with a bearer token."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def get(self, path: str, **query: object) -> Any:
        """The ``data`` of a GET."""
        return self._data(urllib.request.Request(self._address(path, query), headers=self._headers))

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """The ``data`` of a POST."""
        data = json.dumps(body).encode()
        return self._data(urllib.request.Request(self._address(path, {}), data, self._headers, method="POST"))

    def events(self, path: str, **query: object) -> Iterator[dict[str, Any]]:
        """The messages of a stream of server-sent events."""
        request = urllib.request.Request(self._address(path, query), headers=self._headers)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as stream:
                for line in stream:
                    if line.startswith(b"data:"):
                        yield json.loads(line[5:])
        except urllib.error.HTTPError as error:
            raise _told(request, error) from None

    def _address(self, path: str, query: dict[str, object]) -> str:
        text = urllib.parse.urlencode({key: str(value) for key, value in query.items()})
        return f"{self._url}/api/v1/{path}{'?' if text else ''}{text}"

    def _data(self, request: urllib.request.Request) -> Any:
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            raise _told(request, error) from None


def _told(request: urllib.request.Request, error: urllib.error.HTTPError) -> RestError:
    body = json.load(error)
    return RestError(f"{request.full_url}: {body.get('msg')}: {(body.get('error') or {}).get('message')}")
