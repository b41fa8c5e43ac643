"""SDK clients by region and product, and the one way in which all calls are made."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from huaweicloudsdkbss.v2 import BssClient
from huaweicloudsdkcore.auth.credentials import BasicCredentials, GlobalCredentials
from huaweicloudsdkcore.auth.provider import CredentialProviderChain
from huaweicloudsdkcore.exceptions.exceptions import SdkException
from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdkcore.http.http_handler import HttpHandler
from huaweicloudsdkecs.v2 import EcsClient
from huaweicloudsdkiam.v3 import IamClient, KeystoneListAuthDomainsRequest, KeystoneListAuthProjectsRequest
from huaweicloudsdkims.v2 import ImsClient
from huaweicloudsdkvpc.v2 import VpcClient as SubnetClient
from huaweicloudsdkvpc.v3 import VpcClient
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException

from bridgx_server.providers import answers
from bridgx_server.providers.base import Credentials, ProviderSettings
from bridgx_server.providers.errors import ErrorClass, ProviderError, no_identity
from bridgx_server.providers.gate import api_name
from bridgx_server.providers.huawei.errors import PROVIDER, answered, refusal_in, translate

# product → its client, and the name that its hosts begin with. Subnets are in version 2 of the VPC SDK alone.
PRODUCTS: Mapping[str, tuple[Any, str]] = {
    "ecs": (EcsClient, "ecs"),
    "vpc": (VpcClient, "vpc"),
    "subnet": (SubnetClient, "vpc"),
    "ims": (ImsClient, "ims"),
    "iam": (IamClient, "iam"),
    "bss": (BssClient, "bss"),
}
GLOBAL = ("iam", "bss")  # one for all regions, and called for the whole account
_REGION = re.compile(r"[a-z]+(-[a-z]+)+-\d{1,3}")

# The SDK logs the text of its exceptions to loggers that no handler of ours hears; Python would print those to stderr.
for _client, _ in PRODUCTS.values():
    _logger = logging.getLogger(f"HuaweiCloud-SDK-{_client.__name__}")
    _logger.addHandler(logging.NullHandler())
    _logger.setLevel(logging.CRITICAL)


class Calls:
    """The calls of one account. A client is made when its region and product are first used, and is then shared."""

    def __init__(self, credentials: Credentials, settings: ProviderSettings) -> None:
        self._credentials = credentials
        self._settings = settings
        self._clients: dict[tuple[str, str], Any] = {}
        self._projects: dict[str, str] = {}
        self._lock = threading.Lock()
        self._renewal = threading.Lock()
        self._answer = threading.local()

    def ecs(self, region_id: str, operation: str, request: Any) -> dict[str, Any]:
        """Calls a method of EcsClient; returns the answer's body. Raises ProviderError."""
        return self._call("ecs", region_id, operation, request)[0]

    def ecs_with_request_id(self, region_id: str, operation: str, request: Any) -> tuple[dict[str, Any], str]:
        """As :meth:`ecs`, and the request id."""
        return self._call("ecs", region_id, operation, request)

    def vpc(self, region_id: str, operation: str, request: Any) -> dict[str, Any]:
        """Calls a method of version 3 of VpcClient: VPCs and security groups."""
        return self._call("vpc", region_id, operation, request)[0]

    def subnet(self, region_id: str, operation: str, request: Any) -> dict[str, Any]:
        """Calls a method of version 2 of VpcClient: subnets."""
        return self._call("subnet", region_id, operation, request)[0]

    def ims(self, region_id: str, operation: str, request: Any) -> dict[str, Any]:
        """Calls a method of ImsClient."""
        return self._call("ims", region_id, operation, request)[0]

    def iam(self, operation: str, request: Any) -> dict[str, Any]:
        """Calls a method of IamClient, which is one for all regions."""
        return self._call("iam", "", operation, request)[0]

    def bss(self, operation: str, request: Any) -> dict[str, Any]:
        """Calls a method of BssClient, the billing centre, which is one for all regions."""
        return self._call("bss", "", operation, request)[0]

    def _call(self, product: str, region_id: str, operation: str, request: Any) -> tuple[dict[str, Any], str]:
        client = self._client(product, region_id, operation)
        if self._credentials.ambient:
            self._renew_identity(client, operation)
        with self._settings.gate.call(region_id, api_name(operation), _machines(request)):
            return self._send(client, operation, request)

    def _send(self, client: Any, operation: str, request: Any) -> tuple[dict[str, Any], str]:
        try:
            response = getattr(client, operation)(request)
            body = json.loads(response.raw_content or b"{}")
            if not isinstance(body, dict):
                raise ValueError  # an answer that is no object cannot be read either
        except (SdkException, RequestException, ValueError, TypeError, AttributeError, KeyError) as error:
            failure = translate(error, operation)
        else:
            request_id = str(getattr(self._answer, "request_id", ""))
            refusal = refusal_in(body)
            if refusal is None:
                return body, request_id
            failure = answered(*refusal, int(response.status_code or 0), request_id, operation)
        # Raised out here so that nothing hangs on to the SDK's exception, whose frames hold the password.
        raise failure

    def _client(self, product: str, region_id: str, operation: str) -> Any:
        with self._lock:
            client = self._clients.get((product, region_id))
        if client is not None:
            return client
        made = self._made(product, region_id, operation)
        with self._lock:
            return self._clients.setdefault((product, region_id), made)

    def _made(self, product: str, region_id: str, operation: str) -> Any:
        if region_id and _REGION.fullmatch(region_id) is None:
            raise ProviderError(
                ErrorClass.NOT_FOUND,
                f"there is no region {region_id}",
                provider=PROVIDER,
                operation=operation,
                field="region_id",
            )
        credentials = self._signer(product, region_id, operation)
        client_class, host = PRODUCTS[product]
        config = HttpConfig(timeout=(self._settings.connect_timeout, self._settings.read_timeout), retry_times=0)
        builder = client_class.new_builder().with_http_config(config).with_credentials(credentials)
        handler = HttpHandler().add_response_handler(self._note)
        client = builder.with_http_handler(handler).with_endpoint(self._endpoint(host, region_id)).build()
        # Even without retries the SDK's own connections turn a 429 into an error that has lost the answer.
        session = client.get_http_client()._session
        for scheme in ("https://", "http://"):
            session.mount(scheme, HTTPAdapter(pool_connections=1, pool_maxsize=self._settings.pool_size, max_retries=0))
        return client

    def _signer(self, product: str, region_id: str, operation: str) -> Any:
        """What the SDK signs with: for a project in a region, for the whole account at IAM and at the billing centre."""
        project = "" if product in GLOBAL else self._project(region_id, operation)
        domain = self._domain() if product == "bss" else None
        if self._credentials.ambient:
            identity = self._machine_identity(project, operation)
            return identity.with_domain_id(domain) if domain else identity
        key, secret = self._credentials.access_key, self._credentials.secret
        return BasicCredentials(key, secret, project) if project else GlobalCredentials(key, secret, domain)

    def _domain(self) -> str | None:
        """The account's own id, which the billing centre is told in X-Domain-Id."""
        asked = "keystone_list_auth_domains"
        rows = rows_in(asked, self.iam(asked, KeystoneListAuthDomainsRequest()), "domains")
        return str(rows[0]["id"]) if rows else None

    def _machine_identity(self, project: str, operation: str) -> Any:
        """The identity of this machine, by the SDK's own chain: OIDC, environment, profile, the machine's agency."""
        try:
            if not project:
                return CredentialProviderChain.get_global().get_credentials()
            return CredentialProviderChain.get_basic().get_credentials().with_project_id(project)
        except Exception as raised:  # of files and sockets too
            failure = no_identity(PROVIDER, operation, type(raised).__name__)
        raise failure

    def _renew_identity(self, client: Any, operation: str) -> None:
        """Lets the SDK renew what is about to expire, before the call: nothing has been sent yet when that fails."""
        try:
            with self._renewal:
                client._credentials.process_sts(client.get_http_client())
            return
        except Exception as raised:
            failure = no_identity(PROVIDER, operation, type(raised).__name__)
        raise failure

    def _note(self, **told: Any) -> None:
        """Keeps the request id of the answer that this thread has just got: the SDK's own objects lack it."""
        self._answer.request_id = told["response"].headers.get("X-Request-Id", "")

    def _endpoint(self, host: str, region_id: str) -> str:
        return self._settings.endpoint or endpoint_of(host, region_id)

    def _project(self, region_id: str, operation: str) -> str:
        """The account's project in the region: the one that was registered, else the one named after the region."""
        if self._credentials.project_id:
            return self._credentials.project_id
        with self._lock:
            known = self._projects.get(region_id)
        if known:
            return known
        asked = "keystone_list_auth_projects"
        rows = rows_in(asked, self.iam(asked, KeystoneListAuthProjectsRequest()), "projects")
        found = next((str(row["id"]) for row in rows if row.get("name") == region_id), "")
        if not found:
            raise ProviderError(
                ErrorClass.NOT_FOUND,
                f"the account has no project named {region_id}; open the region in Huawei's console, or register the "
                "account with a project id",
                provider=PROVIDER,
                operation=operation,
                field="region_id",
            )
        with self._lock:
            return self._projects.setdefault(region_id, found)


def _machines(request: Any) -> int:
    """How many machines of its region the request makes or ends; the billing centre knows no regions, and counts requests."""
    body = getattr(request, "body", None)
    if getattr(body, "dry_run", None):
        return 0
    return int(getattr(getattr(body, "server", None), "count", None) or 0) + len(getattr(body, "servers", None) or ())


def endpoint_of(host: str, region_id: str) -> str:
    """Where a product is reached in a region; in no region: everywhere."""
    return f"https://{host}.{region_id}.myhuaweicloud.com" if region_id else f"https://{host}.myhuaweicloud.com"


rows_in = partial(answers.rows_in, PROVIDER)


def id_in(operation: str, body: Mapping[str, Any], name: str) -> str:
    """The id of what was made. Without one it is not known whether anything was."""
    return answers.id_in(PROVIDER, operation, (body.get(name) or {}).get("id"))


def pages(fetch: Callable[[str | None], list[dict[str, Any]]], size: int) -> Iterator[dict[str, Any]]:
    """The rows of all pages of a list that goes on after the last id of the page before (``None``: from the start).

    Raises ProviderError (UNAVAILABLE) where the list goes in a circle.
    """
    seen: set[str] = set()
    marker: str | None = None
    while True:
        rows = fetch(marker)
        yield from rows
        if len(rows) != size:  # more than a page: the list has no pages
            return
        marker = str(rows[-1]["id"])
        if marker in seen:
            raise ProviderError(
                ErrorClass.UNAVAILABLE, "the cloud's list goes in a circle", provider=PROVIDER, operation="list"
            )
        seen.add(marker)
