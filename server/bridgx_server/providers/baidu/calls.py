"""SDK clients by region and product, and the one way in which all calls are made."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import baidubce.protocol
from baidubce.auth.bce_credentials import BceCredentials
from baidubce.bce_client_configuration import BceClientConfiguration
from baidubce.exception import BceClientError, BceHttpClientError
from baidubce.retry.retry_policy import NoRetryPolicy
from baidubce.services.bcc.bcc_client import BccClient
from baidubce.services.subnet.subnet_client import SubnetClient
from baidubce.services.vpc.vpc_client import VpcClient

from bridgx_server.providers import answers
from bridgx_server.providers.baidu import words
from bridgx_server.providers.baidu.errors import PROVIDER, invalid, translate
from bridgx_server.providers.base import Credentials, ProviderSettings
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.providers.gate import api_name

SECRET_BYTES = 16  # the SDK encrypts passwords with this much of the secret
ENDING = (
    "batch_delete_instance_with_related_resource",
    "batch_refund_resources",
    "release_instance_with_related_resources",
)  # their first argument is a list of ids, or one
PAGE = 1000  # rows, the most that Baidu's lists give at once
_ID = re.compile(r"[A-Za-z0-9_-]+")

# At debug level the SDK logs signing keys and request bodies.
logging.getLogger("baidubce").setLevel(logging.INFO)

PRODUCTS: Mapping[str, Callable[[BceClientConfiguration], Any]] = {
    "bcc": BccClient,
    "vpc": VpcClient,
    "subnet": SubnetClient,
}


class Calls:
    """The calls of one account. A client is made when its region and product are first used, and is then shared."""

    def __init__(self, credentials: Credentials, settings: ProviderSettings) -> None:
        self._credentials = credentials
        self._settings = settings
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def bcc(self, region_id: str, operation: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Calls a method of BccClient; returns the answer's body. Raises ProviderError."""
        return self._call("bcc", region_id, operation, *args, **kwargs)[0]

    def bcc_with_request_id(
        self, region_id: str, operation: str, *args: Any, **kwargs: Any
    ) -> tuple[dict[str, Any], str]:
        """As :meth:`bcc`, and the request id."""
        return self._call("bcc", region_id, operation, *args, **kwargs)

    def vpc(self, region_id: str, operation: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Calls a method of VpcClient."""
        return self._call("vpc", region_id, operation, *args, **kwargs)[0]

    def subnet(self, region_id: str, operation: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Calls a method of SubnetClient."""
        return self._call("subnet", region_id, operation, *args, **kwargs)[0]

    def _call(
        self, product: str, region_id: str, operation: str, *args: Any, **kwargs: Any
    ) -> tuple[dict[str, Any], str]:
        client = self._client(product, region_id, operation)
        machines = int(kwargs.get("purchase_count") or 0)
        if operation in ENDING:
            machines = len(args[0]) if isinstance(args[0], list) else 1
        with self._settings.gate.call(region_id, api_name(operation), machines):
            return self._send(client, operation, *args, **kwargs)

    def _send(self, client: Any, operation: str, *args: Any, **kwargs: Any) -> tuple[dict[str, Any], str]:
        try:
            response = getattr(client, operation)(*args, **kwargs)
        except BceHttpClientError as error:
            failure = translate(error, operation)
        except BceClientError:
            failure = invalid("the SDK refused to send the request", "", operation)
        else:
            return response.get_body_map(), response.metadata.bce_request_id or ""
        # Raised out here so that nothing hangs on to the SDK's exception, whose frames hold the password.
        raise failure

    def _client(self, product: str, region_id: str, operation: str) -> Any:
        with self._lock:
            client = self._clients.get((product, region_id))
            if client is None:
                client = PRODUCTS[product](self._configuration(region_id, operation))
                self._clients[product, region_id] = client
            return client

    def _configuration(self, region_id: str, operation: str) -> BceClientConfiguration:
        if all(region.region_id != region_id for region in words.REGIONS):
            raise ProviderError(
                ErrorClass.NOT_FOUND,
                f"there is no region {region_id}; there are {', '.join(region.region_id for region in words.REGIONS)}",
                provider=PROVIDER,
                operation=operation,
                field="region_id",
            )
        if len(self._credentials.secret.encode()) < SECRET_BYTES:
            raise ProviderError(
                ErrorClass.BAD_CREDENTIALS,
                f"the secret key has fewer than {SECRET_BYTES} characters; Baidu's have 32, and machine passwords are "
                f"encrypted with the first {SECRET_BYTES}",
                provider=PROVIDER,
                operation=operation,
            )
        return BceClientConfiguration(
            credentials=BceCredentials(self._credentials.access_key, self._credentials.secret),
            retry_policy=NoRetryPolicy(),
            # One value for connecting and for each wait for bytes.
            connection_timeout_in_mills=self._settings.read_timeout * 1000,
            **endpoint_of(region_id, self._settings.endpoint),
        )


def endpoint_of(region_id: str, override: str) -> dict[str, Any]:
    """Where a region is reached: fields of the SDK's configuration.

    The host's name is all that tells Baidu the region. So an override over http is given to the SDK as the address to
    connect to, while the Host header stays that of the region, `bcc.<region>.baidubce.com`. An override over https
    replaces the host as well, since TLS needs its name: what answers there serves one region.
    """
    host = f"bcc.{region_id}.baidubce.com"
    if not override:
        return {"endpoint": f"https://{host}", "protocol": baidubce.protocol.HTTPS}
    url = urlsplit(override)
    if url.scheme == "https":
        return {"endpoint": override, "protocol": baidubce.protocol.HTTPS}
    return {
        "endpoint": f"http://{host}",
        "protocol": baidubce.protocol.HTTP,
        "proxy_host": url.hostname,
        "proxy_port": url.port or 80,
    }


rows_in = partial(answers.rows_in, PROVIDER)


def id_in(operation: str, body: Mapping[str, Any], name: str) -> str:
    """The id of what was made. Without one it is not known whether anything was."""
    return answers.id_in(PROVIDER, operation, body.get(name))


def pages(
    call: Callable[..., dict[str, Any]], region_id: str, operation: str, name: str, **which: Any
) -> list[dict[str, Any]]:
    """The rows of all pages of a list, which is called ``name`` in the answers.

    Raises ProviderError (UNAVAILABLE) rather than give a part: where an answer lacks its list, or the way to the next page,
    or where the cloud's markers lead in a circle.
    """
    rows: list[dict[str, Any]] = []
    seen: set[str] = set()
    marker: dict[str, str] = {}
    while True:
        body = call(region_id, operation, max_keys=PAGE, **which, **marker)
        rows += rows_in(operation, body, name)
        following = body.get("nextMarker")
        if not body.get("isTruncated", following):
            return rows
        if not following:
            raise _unavailable(operation, "the cloud's list breaks off")
        if following in seen:
            raise _unavailable(operation, "the cloud's list goes in a circle")
        seen.add(following)
        marker = {"marker": following}


def _unavailable(operation: str, message: str) -> ProviderError:
    return ProviderError(ErrorClass.UNAVAILABLE, message, provider=PROVIDER, operation=operation)


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


def is_id(text: str) -> bool:
    """Whether a text may stand in a path: the SDK puts ids into paths as they are."""
    return _ID.fullmatch(text) is not None
