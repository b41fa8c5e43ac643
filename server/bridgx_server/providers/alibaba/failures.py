"""What the SDK raises, as ProviderError. The SDK's own texts quote URLs, and those hold machine passwords."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable, Iterator
from typing import Any

import requests
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
from darabonba.exceptions import RetryError
from urllib3.exceptions import NewConnectionError

from bridgx_server.providers.alibaba.errors import class_of, field_of
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.providers.redaction import redacted

PROVIDER = "AlibabaCloud"
LONGEST_MESSAGE = 500  # characters of the vendor's own words that are kept

_PASSWORD = re.compile(r"(Password(?:=|%3D|%253D))[^&\s\"'\]]*", re.IGNORECASE)


def without_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without passwords in it: an answer to a bad signature quotes the whole request."""
    return _PASSWORD.sub(r"\1***", redacted(text, secrets))


def failure_of(operation: str, raised: Exception, secrets: Iterable[str] = ()) -> ProviderError:
    """The ProviderError for what a call of the SDK raised."""
    if isinstance(raised, AlibabaCloudException):
        return _answered(operation, raised, secrets)
    inner = getattr(raised, "inner_exception", None)
    if isinstance(inner, RetryError):
        # The SDK keeps nothing but a text of what requests raised; the exception itself is its context.
        return _unanswered(operation, inner.__context__)
    return _unreadable(operation, inner if isinstance(inner, Exception) else raised)


def _answered(operation: str, refusal: Any, secrets: Iterable[str]) -> ProviderError:
    code = str(refusal.code or "")
    status = int(refusal.status_code or 0)
    data = refusal.data if isinstance(refusal.data, dict) else {}
    said = str(data.get("Message") or data.get("message") or "the cloud gave no message")
    kind = class_of(code, status, operation)
    milliseconds = getattr(refusal, "retry_after", None)
    return ProviderError(
        kind,
        without_secrets(said, secrets)[:LONGEST_MESSAGE],
        provider=PROVIDER,
        operation=operation,
        vendor_code="" if code == "None" else code,
        request_id=str(data.get("RequestId") or data.get("requestId") or ""),
        http_status=status,
        retry_after=milliseconds / 1000 if isinstance(milliseconds, int) and milliseconds > 0 else None,
        field=field_of(code, kind, operation),
    )


def _unanswered(operation: str, cause: BaseException | None) -> ProviderError:
    """No answer: whether it was done is known only where no connection came about."""
    kind, what = ErrorClass.TIMEOUT_UNKNOWN, "the connection ended before an answer came"
    if isinstance(cause, requests.ConnectTimeout):
        kind, what = ErrorClass.UNAVAILABLE, "no connection could be made in time"
    elif isinstance(cause, requests.ReadTimeout):
        what = "no answer came in time"
    elif isinstance(cause, requests.exceptions.ProxyError) or any(
        isinstance(part, (NewConnectionError, ssl.SSLCertVerificationError)) for part in _parts(cause)
    ):
        kind, what = ErrorClass.UNAVAILABLE, "no connection could be made"
    name = type(cause).__name__ if cause is not None else "no reason given"
    return ProviderError(kind, f"{what} ({name})", provider=PROVIDER, operation=operation)


def _unreadable(operation: str, raised: Exception) -> ProviderError:
    """An answer that is none of Alibaba's, such as a gateway's page: what was to be changed may have been."""
    asked_only = operation.startswith(("describe_", "get_"))
    return ProviderError(
        ErrorClass.UNAVAILABLE if asked_only else ErrorClass.TIMEOUT_UNKNOWN,
        f"the answer could not be read ({type(raised).__name__})",
        provider=PROVIDER,
        operation=operation,
    )


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
