"""What the SDK's clients send with, in the place of the SDK's own connection.

The SDK turns whatever goes wrong on the way into one code with a text. Here each trouble has its own exception, which the
SDK keeps as the context of its own; answers that are none of the API's are told apart; connections are kept and as many as
are needed; and the environment's proxies do not get what is meant for this machine.
"""

from __future__ import annotations

import ipaddress
import json

import requests
from requests.adapters import HTTPAdapter

from bridgx_server.providers.base import ProviderSettings


class NoAnswerOfTheApi(Exception):
    """Something answered, but not in the form of the API. ``status`` is the HTTP status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Connection:
    """A pool of connections to one host. Shared by all threads."""

    request_length = 0  # the SDK reads it

    def __init__(self, host: str, settings: ProviderSettings) -> None:
        self._timeout = (settings.connect_timeout, settings.read_timeout)
        self._session = requests.Session()
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=settings.pool_size, max_retries=0))
        self._session.trust_env = not is_loopback(host)

    def request(
        self, method: str, url: str, body: str | None = None, headers: dict[str, str] | None = None
    ) -> requests.Response:
        """Sends a request and reads its answer whole; raises what requests raises, and NoAnswerOfTheApi."""
        response = self._session.request(
            method, url, data=body, headers=headers, timeout=self._timeout, allow_redirects=False
        )
        if response.status_code != 200 or not _is_answer(response.content):
            raise NoAnswerOfTheApi(response.status_code)
        # The SDK looks for refusals only in answers of exactly this type.
        response.headers["Content-Type"] = "application/json"
        return response


def is_loopback(host: str) -> bool:
    """Whether a host (and perhaps port) is this machine."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_answer(content: bytes) -> bool:
    try:
        body = json.loads(content)
    except ValueError:
        return False
    return isinstance(body, dict) and isinstance(body.get("Response"), dict)
