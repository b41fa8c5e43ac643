"""The two SDK clients of a region, and one way to call them: no retries, our timeouts, our errors."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from alibabacloud_ecs20140526.client import Client as EcsClient
from alibabacloud_tea_openapi.exceptions import ClientException, ServerException
from alibabacloud_tea_openapi.models import Config
from alibabacloud_vpc20160428.client import Client as VpcClient
from darabonba.exceptions import DaraException
from darabonba.runtime import RuntimeOptions
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import ConnectTimeout, ReadTimeout

from bridgx_server.providers.alibaba.errors import class_of
from bridgx_server.providers.base import Credentials, ErrorClass, ProviderError, ProviderSettings

PROVIDER = "AlibabaCloud"
LONGEST_MESSAGE = 500  # characters of the vendor's own words that are kept


class Calls:
    """Calls of one account. Clients are made at the first use of a region and shared by all threads."""

    def __init__(self, credentials: Credentials, settings: ProviderSettings) -> None:
        self._credentials = credentials
        self._settings = settings
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def ecs(self, region_id: str, operation: str, request: Any) -> Any:
        """Calls ECS 2014-05-26 and returns the answer's body; raises ProviderError."""
        return self._call(self._client("ecs", region_id), operation, request)

    def vpc(self, region_id: str, operation: str, request: Any) -> Any:
        """Calls VPC 2016-04-28 and returns the answer's body; raises ProviderError."""
        return self._call(self._client("vpc", region_id), operation, request)

    def _client(self, product: str, region_id: str) -> Any:
        with self._lock:
            client = self._clients.get((product, region_id))
            if client is None:
                make: Callable[[Config], Any] = EcsClient if product == "ecs" else VpcClient
                client = make(self._config(product, region_id))
                self._clients[product, region_id] = client
            return client

    def _config(self, product: str, region_id: str) -> Config:
        endpoint, protocol = f"{product}.{region_id}.aliyuncs.com", "https"
        if self._settings.endpoint:
            parts = urlsplit(self._settings.endpoint)
            endpoint, protocol = parts.netloc, parts.scheme
        return Config(
            access_key_id=self._credentials.access_key,
            access_key_secret=self._credentials.secret,
            region_id=region_id,
            endpoint=endpoint,
            protocol=protocol,
            connect_timeout=int(self._settings.connect_timeout * 1000),
            read_timeout=int(self._settings.read_timeout * 1000),
            max_idle_conns=self._settings.pool_size,
        )

    def _call(self, client: Any, operation: str, request: Any) -> Any:
        options = RuntimeOptions(
            autoretry=False,
            connect_timeout=int(self._settings.connect_timeout * 1000),
            read_timeout=int(self._settings.read_timeout * 1000),
            max_idle_conns=self._settings.pool_size,
        )
        try:
            return getattr(client, f"{operation}_with_options")(request, options).body
        except (ClientException, ServerException) as error:
            raise _answered(operation, error) from None
        except Exception as error:
            # `from None`: the SDK's texts quote the URL, which holds passwords.
            raise _unanswered(operation, error) from None


def _answered(operation: str, error: Any) -> ProviderError:
    code = str(error.code or "")
    status = int(error.status_code or 0)
    data = error.data if isinstance(error.data, dict) else {}
    message = str(data.get("Message") or data.get("message") or "the cloud gave no message")
    return ProviderError(
        class_of(code, status),
        message[:LONGEST_MESSAGE],
        provider=PROVIDER,
        operation=operation,
        vendor_code=code,
        request_id=str(data.get("RequestId") or data.get("requestId") or ""),
        http_status=status,
    )


def _unanswered(operation: str, error: Exception) -> ProviderError:
    """No answer, or one that is no answer of Alibaba's: whether it was done is known only where nothing was sent."""
    cause: BaseException | None = error
    chain: list[BaseException] = []
    while cause is not None and len(chain) < 10:
        chain.append(cause)
        inner = getattr(cause, "inner_exception", None)
        cause = inner if isinstance(inner, BaseException) else (cause.__cause__ or cause.__context__)
    kind, what = ErrorClass.TIMEOUT_UNKNOWN, "the connection ended without an answer"
    if any(isinstance(link, ConnectTimeout) for link in chain):
        kind, what = ErrorClass.UNAVAILABLE, "no connection could be made in time"
    elif any(isinstance(link, ReadTimeout) for link in chain):
        what = "no answer came in time"
    elif any(isinstance(link, RequestsConnectionError) for link in chain):
        if any("NewConnectionError" in type(part).__name__ for part in _parts(chain)):
            kind, what = ErrorClass.UNAVAILABLE, "no connection could be made"
    elif not isinstance(error, DaraException):
        what = f"the SDK failed: {type(error).__name__}"
    return ProviderError(kind, what, provider=PROVIDER, operation=operation)


def _parts(chain: list[BaseException]) -> list[Any]:
    """The exceptions and what requests and urllib3 keep inside them."""
    parts: list[Any] = []
    for link in chain:
        parts.append(link)
        for argument in getattr(link, "args", ()):
            parts.append(argument)
            reason = getattr(argument, "reason", None)
            if reason is not None:
                parts.append(reason)
    return parts
