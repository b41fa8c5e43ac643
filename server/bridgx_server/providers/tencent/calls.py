"""SDK clients by region and product, the one way in which all calls are made, and pages of lists."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from tencentcloud.common.common_client import CommonClient
from tencentcloud.common.credential import Credential, DefaultCredentialProvider
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.common.retry import NoopRetryer
from tencentcloud.cvm.v20170312.cvm_client import CvmClient
from tencentcloud.vpc.v20170312.vpc_client import VpcClient

from bridgx_server.providers import answers
from bridgx_server.providers.base import Credentials, ProviderSettings
from bridgx_server.providers.errors import ErrorClass, ProviderError, no_identity
from bridgx_server.providers.gate import side_by_side
from bridgx_server.providers.tencent.errors import PROVIDER
from bridgx_server.providers.tencent.failures import failure_of
from bridgx_server.providers.tencent.transport import Connection

LANGUAGE = "en-US"  # of names and messages; the cloud's default is Chinese
PAGE = 100  # rows, the most that Tencent's lists give at once; without a Limit they give 20
PAGES_AT_ONCE = 4
ROUNDS = 3  # how often a list that changes under the reader is read from its start

# At debug level the SDK logs whole requests.
logging.getLogger("tencentcloud_sdk_common").setLevel(logging.INFO)

PRODUCTS: Mapping[str, Callable[[Credential, str, ClientProfile], Any]] = {
    "cvm": CvmClient,
    "vpc": VpcClient,
    "sts": partial(CommonClient, "sts", "2018-08-13"),
}


class Calls:
    """The calls of one account. A client is made when its region and product are first used, and is then shared."""

    def __init__(self, credentials: Credentials, settings: ProviderSettings) -> None:
        """Raises ValueError where the endpoint is not a URL of scheme, host and port alone."""
        self._credentials = credentials
        self._settings = settings
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()
        self._identity: Any = None
        self._scheme, self._endpoint = "https", ""
        if settings.endpoint:
            parts = urlsplit(settings.endpoint)
            if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/"):
                raise ValueError("the endpoint must be http(s)://host[:port]")
            self._scheme, self._endpoint = parts.scheme, parts.netloc

    def cvm(self, region_id: str, action: str, **parameters: Any) -> dict[str, Any]:
        """Calls an action of CVM 2017-03-12 and returns the answer; raises ProviderError."""
        return self._call("cvm", region_id, action, parameters)

    def vpc(self, region_id: str, action: str, **parameters: Any) -> dict[str, Any]:
        """Calls an action of VPC 2017-03-12."""
        return self._call("vpc", region_id, action, parameters)

    def sts(self, region_id: str, action: str) -> dict[str, Any]:
        """Calls an action of STS 2018-08-13 that takes no parameters."""
        return self._call("sts", region_id, action, {})

    def cvm_pages(self, region_id: str, action: str, rows: str, key: str, **parameters: Any) -> list[dict[str, Any]]:
        """The rows of all pages of a list of CVM; ``key`` is the member that tells them apart."""
        return _pages(
            action,
            rows,
            key,
            lambda offset: self.cvm(region_id, action, **parameters, Offset=offset, Limit=PAGE),
        )

    def vpc_pages(self, region_id: str, action: str, rows: str, key: str, **parameters: Any) -> list[dict[str, Any]]:
        """The rows of all pages of a list of VPC, where the same two numbers are texts."""
        return _pages(
            action,
            rows,
            key,
            lambda offset: self.vpc(region_id, action, **parameters, Offset=str(offset), Limit=str(PAGE)),
        )

    def _call(self, product: str, region_id: str, action: str, parameters: dict[str, Any]) -> dict[str, Any]:
        if self._credentials.ambient:
            self._renew_identity(action)
        with self._settings.gate.call(region_id, action, _machines(action, parameters)):
            return self._send(product, region_id, action, parameters)

    def _send(self, product: str, region_id: str, action: str, parameters: dict[str, Any]) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = self._client(product, region_id).call_json(action, parameters)["Response"]
            return answer
        except Exception as raised:
            password = str((parameters.get("LoginSettings") or {}).get("Password") or "")
            failure = failure_of(action, raised, (self._credentials.secret, password))
        # Outside the handler: nothing of the SDK's, whose frames hold the password, must hang on our exception.
        raise failure

    def _renew_identity(self, action: str) -> None:
        """Lets the SDK find or renew the machine's identity before the call: nothing has been sent yet when that fails."""
        try:
            with self._lock:
                if self._identity is None:
                    # The SDK's own chain: environment, profile, the machine's role, the identity of a pod.
                    self._identity = DefaultCredentialProvider().get_credential()
            if all(self._identity.get_credential_info()[:2]):
                return
            failure = no_identity(PROVIDER, action, "nothing found")
        except Exception as raised:  # of files, sockets, JSON and more
            failure = no_identity(PROVIDER, action, type(raised).__name__)
        raise failure

    def _client(self, product: str, region_id: str) -> Any:
        with self._lock:
            client = self._clients.get((product, region_id))
            if client is None:
                client = self._make(product, region_id)
                self._clients[product, region_id] = client
            return client

    def _make(self, product: str, region_id: str) -> Any:
        host = self._endpoint or f"{product}.tencentcloudapi.com"
        profile = ClientProfile(
            signMethod="TC3-HMAC-SHA256",
            language=LANGUAGE,
            # It would send calls to another region's endpoint.
            disable_region_breaker=True,
            retryer=NoopRetryer(),
            httpProfile=HttpProfile(
                protocol=self._scheme,
                endpoint=host,
                reqMethod="POST",
                reqTimeout=self._settings.read_timeout,
                keepAlive=True,
            ),
        )
        credential = self._identity or Credential(self._credentials.access_key, self._credentials.secret)
        client = PRODUCTS[product](credential, region_id, profile)
        client.request.conn = Connection(host, self._settings)
        return client


def _machines(action: str, parameters: dict[str, Any]) -> int:
    """How many machines the call makes or ends."""
    if action == "RunInstances" and not parameters.get("DryRun"):
        return int(parameters.get("InstanceCount", 1))
    return len(parameters.get("InstanceIds", ())) if action == "TerminateInstances" else 0


rows_in = partial(answers.rows_in, PROVIDER)


def _pages(action: str, rows: str, key: str, fetch: Callable[[int], dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of all pages, those after the first a few at a time. One that comes or goes while the pages are read moves
    the others, so that one may be missed: where the total changes, the list is read again. Raises ProviderError
    (UNAVAILABLE) rather than give a part."""
    for _ in range(ROUNDS):
        answers = [fetch(0)]
        total = answers[0].get("TotalCount")
        if isinstance(total, int):
            answers += side_by_side(fetch, range(PAGE, total, PAGE), PAGES_AT_ONCE)
        found: dict[str, dict[str, Any]] = {}
        for answer in answers:
            if answer.get("TotalCount") is None:
                raise _unavailable(action, "the answer does not say how long its list is")
            found.update((row[key], row) for row in rows_in(action, answer, rows))
        if {answer["TotalCount"] for answer in answers} == {len(found)}:
            return list(found.values())
    raise _unavailable(action, "the list changes while it is read")


def _unavailable(action: str, message: str) -> ProviderError:
    return ProviderError(ErrorClass.UNAVAILABLE, message, provider=PROVIDER, operation=action)


def among(ids: list[str], fetch: Callable[[list[str]], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The rows of those ids that exist, where one that does not may fail the whole call: halves are asked for apart."""
    if not ids:
        return []
    try:
        return fetch(ids)
    except ProviderError as error:
        if error.kind is not ErrorClass.NOT_FOUND:
            raise
    if len(ids) == 1:
        return []
    middle = len(ids) // 2
    return among(ids[:middle], fetch) + among(ids[middle:], fetch)
