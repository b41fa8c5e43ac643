"""The SDK's clients, one a region and product, and one way to call them: no retries, our timeouts, our errors."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from alibabacloud_credentials.client import Client as CredentialClient
from alibabacloud_ecs20140526.client import Client as EcsClient
from alibabacloud_tea_openapi.client import Client as OpenApiClient
from alibabacloud_tea_openapi.models import Config
from alibabacloud_tea_openapi.utils_models import OpenApiRequest, Params
from alibabacloud_vpc20160428.client import Client as VpcClient
from darabonba.policy.retry import RetryOptions
from darabonba.runtime import RuntimeOptions

from bridgx_server.providers.alibaba.failures import PROVIDER, failure_of, without_secrets
from bridgx_server.providers.base import Credentials, ProviderSettings
from bridgx_server.providers.errors import no_identity
from bridgx_server.providers.gate import api_name


class _PasswordFilter(logging.Filter):
    """Takes passwords out of urllib3's debug lines: they hold the URL, and Alibaba's parameters are all in it."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                without_secrets(value) if isinstance(value, str) and "Password" in value else value
                for value in record.args
            )
        return True


logging.getLogger("urllib3.connectionpool").addFilter(_PasswordFilter())
# The SDK sets its logger to DEBUG and, where the environment has DEBUG=sdk, writes whole URLs and headers to it.
logging.getLogger("darabonba-core").setLevel(logging.WARNING)
# So do the loggers of its credentials, which moreover write to stderr and quote what a metadata service answered.
for _name in ("credentials", "alibabacloud-tea"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


@functools.cache
def machine_identity() -> Any:
    """The identity of this machine, by the SDK's own chain: environment, OIDC, profiles, the instance's role, a URI.

    One for the process: it keeps a thread that renews it.
    """
    return CredentialClient()


@dataclass(frozen=True)
class _Answer:
    body: dict[str, Any]


class _StsClient(OpenApiClient):
    """STS 2015-04-01, as far as it is used: the SDK's core, without the package of its own for one call."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._endpoint = config.endpoint or f"sts.{config.region_id}.aliyuncs.com"

    def get_caller_identity_with_options(self, request: OpenApiRequest, runtime: RuntimeOptions) -> _Answer:
        params = Params(
            action="GetCallerIdentity",
            version="2015-04-01",
            protocol="HTTPS",
            pathname="/",
            method="POST",
            auth_type="AK",
            style="RPC",
            req_body_type="formData",
            body_type="json",
        )
        return _Answer(self.call_api(params, request, runtime)["body"])


class Calls:
    """Calls of one account. Clients are made at the first use of a region and shared by all threads."""

    def __init__(self, credentials: Credentials, settings: ProviderSettings) -> None:
        """Raises ValueError where the endpoint is not a URL of scheme, host and port alone."""
        self._credentials = credentials
        self._settings = settings
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()
        # Without an endpoint of ours, the SDK's table of regional endpoints is used.
        self._endpoint: str | None = None
        self._protocol = "https"
        if settings.endpoint:
            parts = urlsplit(settings.endpoint)
            if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/"):
                raise ValueError("the endpoint must be http(s)://host[:port]")
            self._endpoint, self._protocol = parts.netloc, parts.scheme
        self._runtime = RuntimeOptions(
            autoretry=False,
            max_attempts=1,
            connect_timeout=int(settings.connect_timeout * 1000),
            read_timeout=int(settings.read_timeout * 1000),
            max_idle_conns=settings.pool_size,
        )

    def ecs(self, region_id: str, operation: str, request: Any) -> Any:
        """Calls ECS 2014-05-26 and returns the answer's body; raises ProviderError."""
        return self._call(region_id, self._client("ecs", EcsClient, region_id), operation, request)

    def vpc(self, region_id: str, operation: str, request: Any) -> Any:
        """Calls VPC 2016-04-28 and returns the answer's body; raises ProviderError."""
        return self._call(region_id, self._client("vpc", VpcClient, region_id), operation, request)

    def sts(self, region_id: str, operation: str) -> dict[str, Any]:
        """Calls an operation of STS that takes no parameters, and returns the answer's body; raises ProviderError."""
        body = self._call(region_id, self._client("sts", _StsClient, region_id), operation, OpenApiRequest())
        if not isinstance(body, dict):
            return {}
        return body

    def _client(self, product: str, make: Callable[[Config], Any], region_id: str) -> Any:
        with self._lock:
            client = self._clients.get((product, region_id))
            if client is None:
                client = make(self._config(region_id))
                self._clients[product, region_id] = client
            return client

    def _config(self, region_id: str) -> Config:
        return Config(
            **self._identity(),
            region_id=region_id,
            endpoint=self._endpoint,
            protocol=self._protocol,
            connect_timeout=int(self._settings.connect_timeout * 1000),
            read_timeout=int(self._settings.read_timeout * 1000),
            max_idle_conns=self._settings.pool_size,
            retry_options=RetryOptions({"retryable": False}),
        )

    def _identity(self) -> dict[str, Any]:
        """The fields of the SDK's configuration that say who calls."""
        if self._credentials.ambient:
            return {"credential": machine_identity()}
        return {"access_key_id": self._credentials.access_key, "access_key_secret": self._credentials.secret}

    def _renew_identity(self, operation: str) -> None:
        """Lets the SDK find or renew the identity before the call: nothing has been sent yet when that fails."""
        try:
            machine_identity().get_credential()
            return
        except Exception as raised:
            failure = no_identity(PROVIDER, operation, type(raised).__name__)
        raise failure

    def _call(self, region_id: str, client: Any, operation: str, request: Any) -> Any:
        if self._credentials.ambient:
            self._renew_identity(operation)
        with self._settings.gate.call(region_id, _api(operation), _machines(request)):
            return self._send(client, operation, request)

    def _send(self, client: Any, operation: str, request: Any) -> Any:
        try:
            body = getattr(client, f"{operation}_with_options")(request, self._runtime).body
            if body is None:
                raise TypeError("the body is no object")
            return body
        except Exception as raised:
            failure = failure_of(operation, raised, (self._credentials.secret, getattr(request, "password", "") or ""))
        # Outside the handler: the SDK's exception, whose text holds passwords, must not hang on ours as its context.
        raise failure


def _api(operation: str) -> str:
    return api_name(operation.replace("vswitch", "v_switch"))


def _machines(request: Any) -> int:
    """How many machines the request makes or ends."""
    if getattr(request, "dry_run", None):
        return 0
    ended = getattr(request, "instance_id", None)
    return int(getattr(request, "amount", None) or 0) + (len(ended) if isinstance(ended, list) else 0)
