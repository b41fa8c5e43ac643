"""What the SDK raises, as ProviderError. The SDK's own texts are never used where they may quote a request."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator

import requests
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from urllib3.exceptions import NewConnectionError

from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.providers.redaction import redacted
from bridgx_server.providers.tencent.errors import PROVIDER, class_of, field_of
from bridgx_server.providers.tencent.transport import NoAnswerOfTheApi

LONGEST_MESSAGE = 500  # characters of the vendor's own words that are kept

_STATUSES = {401: ErrorClass.BAD_CREDENTIALS, 403: ErrorClass.PERMISSION_DENIED, 429: ErrorClass.THROTTLED}


def failure_of(action: str, raised: Exception, secrets: Iterable[str] = ()) -> ProviderError:
    """The ProviderError for what a call of the SDK raised."""
    if not isinstance(raised, TencentCloudSDKException):
        return _unreadable(action, type(raised).__name__)
    if raised.code == "InvalidCredential":
        return _error(
            ErrorClass.BAD_CREDENTIALS, action, "the access key or the secret is empty, or has spaces around it"
        )
    if raised.code == "ClientNetworkError":
        # The SDK keeps a text of what happened; the exception itself is its context.
        return _unanswered(action, raised.__context__)
    if not raised.requestId:
        return _unreadable(action, "without a request id")
    return _answered(action, raised, secrets)


def _answered(action: str, refusal: TencentCloudSDKException, secrets: Iterable[str]) -> ProviderError:
    code = str(refusal.code or "")
    message = redacted(str(refusal.message or "the cloud gave no message"), secrets)
    kind = class_of(code)
    return ProviderError(
        kind,
        message[:LONGEST_MESSAGE],
        provider=PROVIDER,
        operation=action,
        vendor_code=code,
        request_id=str(refusal.requestId),
        http_status=200,
        field=field_of(code, kind, action),
    )


def _unanswered(action: str, cause: BaseException | None) -> ProviderError:
    """No answer: whether it was done is known only where no connection came about."""
    if isinstance(cause, NoAnswerOfTheApi):
        return _of_a_stranger(action, cause.status)
    name = type(cause).__name__ if cause is not None else "no reason given"
    if isinstance(cause, requests.ConnectTimeout):
        return _error(ErrorClass.UNAVAILABLE, action, f"no connection could be made in time ({name})")
    if isinstance(cause, requests.exceptions.ProxyError) or any(
        isinstance(part, NewConnectionError | ssl.SSLCertVerificationError) for part in _parts(cause)
    ):
        return _error(ErrorClass.UNAVAILABLE, action, f"no connection could be made ({name})")
    if isinstance(cause, requests.ReadTimeout):
        return _error(ErrorClass.TIMEOUT_UNKNOWN, action, f"no answer came in time ({name})")
    return _error(ErrorClass.TIMEOUT_UNKNOWN, action, f"the connection ended before an answer came ({name})")


def _of_a_stranger(action: str, status: int) -> ProviderError:
    """An answer that is none of Tencent's, whose own have the status 200: a gateway's page, say."""
    kind = _STATUSES.get(status)
    if kind is None:
        # What was to be changed may have been, unless something refused to take the request at all.
        refused = 300 <= status < 500 or status == 503
        kind = ErrorClass.UNAVAILABLE if refused or _only_asks(action) else ErrorClass.TIMEOUT_UNKNOWN
    return ProviderError(
        kind,
        f"what answered is not the cloud's API (HTTP status {status})",
        provider=PROVIDER,
        operation=action,
        http_status=status,
    )


def _unreadable(action: str, what: str) -> ProviderError:
    kind = ErrorClass.UNAVAILABLE if _only_asks(action) else ErrorClass.TIMEOUT_UNKNOWN
    return _error(kind, action, f"the answer could not be read ({what})")


def _only_asks(action: str) -> bool:
    return action.startswith(("Describe", "Get"))


def _error(kind: ErrorClass, action: str, message: str) -> ProviderError:
    return ProviderError(kind, message, provider=PROVIDER, operation=action)


def _parts(cause: BaseException | None) -> Iterator[object]:
    """The exceptions that requests and urllib3 put inside one another."""
    waiting: list[object] = [cause]
    for _ in range(20):
        if not waiting:
            return
        part = waiting.pop()
        yield part
        if isinstance(part, BaseException):
            waiting.extend(inner for inner in (*part.args, getattr(part, "reason", None)) if inner is not part)
