"""Deletions that take several calls of the vendor's: after the first that was done, none may say that nothing was."""

from __future__ import annotations

from types import TracebackType

from bridgx_server.providers.errors import ErrorClass, ProviderError

IN_DOUBT = (ErrorClass.UNAVAILABLE, ErrorClass.TIMEOUT_UNKNOWN)  # no refusals


class Deletion:
    """One ``delete_machines``, around all of its calls.

    A refusal for good stands for "all machines are as they were", and callers give them back. So once ``released`` is
    set, a refusal leaves here as CONFLICT, in the vendor's words and with its code: it is tried again.
    """

    def __init__(self) -> None:
        self.released = False

    def __enter__(self) -> Deletion:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.released or not isinstance(raised, ProviderError) or raised.kind in IN_DOUBT:
            return
        raise ProviderError(
            ErrorClass.CONFLICT,
            raised.message,
            provider=raised.provider,
            operation=raised.operation,
            vendor_code=raised.vendor_code,
            request_id=raised.request_id,
            http_status=raised.http_status,
            retry_after=raised.retry_after,
            field=raised.field,
        ) from None
