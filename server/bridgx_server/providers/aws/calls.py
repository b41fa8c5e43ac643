"""One client a service and region, and one way to call it: no retries, our timeouts, our errors."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
)
from botocore.parsers import ResponseParserError

from bridgx_server.providers import answers
from bridgx_server.providers.aws.errors import available_of, class_of, field_of
from bridgx_server.providers.base import Credentials, ErrorClass, ProviderError, ProviderSettings
from bridgx_server.providers.errors import no_identity
from bridgx_server.providers.gate import api_name

PROVIDER = "AWSCloud"
CATALOG_REGION = "us-east-1"
LONGEST_MESSAGE = 500  # characters of the vendor's own words that are kept


class Calls:
    """Calls of one account. Clients are made at the first use of a region and shared by all threads."""

    def __init__(self, credentials: Credentials, settings: ProviderSettings) -> None:
        self._credentials = credentials
        self._settings = settings
        self._clients: dict[tuple[str, str], Any] = {}
        self._root_devices: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()
        self._session: Any = None

    def ec2(self, region_id: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Calls an EC2 operation by its boto3 name and returns the answer; raises ProviderError."""
        return self._call("ec2", region_id or CATALOG_REGION, operation, parameters)

    def sts(self, operation: str) -> dict[str, Any]:
        """Calls an operation of STS that takes no parameters; raises ProviderError."""
        return self._call("sts", CATALOG_REGION, operation, {})

    def _call(self, service: str, region_id: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        # Before the gate: the first takes long, and a turn is for a request.
        client = self._client(service, region_id, operation)
        if self._credentials.ambient:
            self._renew_identity(operation)
        with self._settings.gate.call(region_id, api_name(operation), _machines(parameters)):
            return self._send(client, operation, parameters)

    def _send(self, client: Any, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(client, operation)(**parameters)
        except ClientError as error:
            raise _answered(operation, error) from None
        except ParamValidationError:
            # Its text quotes the values, and user data holds the password.
            raise _error(ErrorClass.INVALID_PARAMETER, operation, "the SDK refuses the parameters") from None
        except NoCredentialsError:
            raise _error(ErrorClass.BAD_CREDENTIALS, operation, "no credentials are registered") from None
        except (EndpointConnectionError, ConnectTimeoutError):
            raise _error(ErrorClass.UNAVAILABLE, operation, "no connection could be made") from None
        except ResponseParserError:
            # An answer that is not the cloud's: what was to be changed may have been.
            only_asks = operation.startswith(("describe_", "get_"))
            kind = ErrorClass.UNAVAILABLE if only_asks else ErrorClass.TIMEOUT_UNKNOWN
            raise _error(kind, operation, "the answer could not be read") from None
        except BotoCoreError as error:
            # Read timeouts, closed connections: it may have been done.
            text = f"no answer came ({type(error).__name__})"
            raise _error(ErrorClass.TIMEOUT_UNKNOWN, operation, text) from None
        return answer

    def pages(self, region_id: str, operation: str, key: str, size: int, **parameters: Any) -> list[Any]:
        """All rows under ``key`` of an operation that pages by MaxResults and NextToken.

        Raises ProviderError (UNAVAILABLE) rather than give a part: where an answer lacks its list, or a token comes again.
        """
        rows: list[Any] = []
        seen: set[str] = set()
        token: dict[str, str] = {}
        while True:
            answer = self.ec2(region_id, operation, MaxResults=size, **parameters, **token)
            rows.extend(rows_in(operation, answer, key))
            following = answer.get("NextToken")
            if not following:
                return rows
            if following in seen:
                raise _error(ErrorClass.UNAVAILABLE, operation, "the pages of the answer repeat")
            seen.add(following)
            token = {"NextToken": following}

    def root_device(self, region_id: str, image_id: str) -> str:
        """The name of an image's root device, which never changes; raises NOT_FOUND."""
        with self._lock:
            known = self._root_devices.get((region_id, image_id))
        if known:
            return known
        answer = self.ec2(region_id, "describe_images", ImageIds=[image_id])
        images = rows_in("describe_images", answer, "Images")
        if not images:
            text = f"there is no image {image_id} in {region_id}"
            raise _error(ErrorClass.NOT_FOUND, "describe_images", text, field="image")
        device = str(images[0].get("RootDeviceName") or "/dev/xvda")
        with self._lock:
            self._root_devices[region_id, image_id] = device
        return device

    def _client(self, service: str, region_id: str, operation: str) -> Any:
        with self._lock:
            client = self._clients.get((service, region_id))
            if client is None:
                session = self._session_of(operation)
                client = session.client(
                    service,
                    region_name=region_id,
                    endpoint_url=self._settings.endpoint or None,
                    config=Config(
                        connect_timeout=self._settings.connect_timeout,
                        read_timeout=self._settings.read_timeout,
                        max_pool_connections=self._settings.pool_size,
                        retries={"total_max_attempts": 1, "mode": "standard"},
                    ),
                )
                self._clients[service, region_id] = client
            return client

    def _session_of(self, operation: str) -> Any:
        """The account's session; under the lock."""
        if self._session is None and self._credentials.ambient:
            self._session = _machine_session(operation)
        elif self._session is None:
            # A session of its own: the default one would read the machine's own AWS settings.
            self._session = boto3.session.Session(
                aws_access_key_id=self._credentials.access_key, aws_secret_access_key=self._credentials.secret
            )
        return self._session

    def _renew_identity(self, operation: str) -> None:
        """Lets the SDK renew what is about to expire, before the call: nothing has been sent yet when that fails."""
        try:
            self._session.get_credentials().get_frozen_credentials()
        except (BotoCoreError, RuntimeError) as error:
            raise no_identity(PROVIDER, operation, type(error).__name__) from None


rows_in = partial(answers.rows_in, PROVIDER)


def id_in(operation: str, made: Mapping[str, Any], key: str) -> str:
    """The id of what was made. Without one it is not known whether anything was."""
    return answers.id_in(PROVIDER, operation, made.get(key))


def _machine_session(operation: str) -> Any:
    """A session with boto3's own chain: environment, shared files, container, instance role."""
    try:
        session = boto3.session.Session()
        found = session.get_credentials() is not None
    except BotoCoreError as error:
        raise no_identity(PROVIDER, operation, type(error).__name__) from None
    if not found:
        raise no_identity(PROVIDER, operation, "nothing found")
    return session


def _machines(parameters: dict[str, Any]) -> int:
    """How many machines the call makes or ends."""
    if parameters.get("DryRun"):
        return 0
    return int(parameters.get("MaxCount", 0)) + len(parameters.get("InstanceIds", ()))


def _answered(operation: str, error: ClientError) -> ProviderError:
    body, metadata = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
    code, status = str(body.get("Code", "")), int(metadata.get("HTTPStatusCode", 0))
    message = str(body.get("Message") or "the cloud gave no message")
    return ProviderError(
        class_of(code, status, _skew(metadata.get("HTTPHeaders", {}).get("date", ""))),
        message[:LONGEST_MESSAGE],
        provider=PROVIDER,
        operation=operation,
        vendor_code=code,
        request_id=str(metadata.get("RequestId", "")),
        http_status=status,
        field=field_of(code, operation),
        available=available_of(code, message),
    )


def _skew(date: str) -> float:
    """Seconds between the time of an answer, as its Date header tells it, and ours; 0 where it tells none."""
    try:
        return abs(parsedate_to_datetime(date).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0


def _error(kind: ErrorClass, operation: str, message: str, field: str = "") -> ProviderError:
    return ProviderError(kind, message, provider=PROVIDER, operation=operation, field=field)
