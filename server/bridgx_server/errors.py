"""What can go wrong here, as exceptions that carry data. Failures of a cloud are ProviderError.

The errors interceptor alone turns them into gRPC statuses; nobody above it catches them to rephrase them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FieldError:
    """One field that was refused. ``field`` is its JSON path (``network_config.subnet_id``), ``message`` says why."""

    field: str
    message: str


FIRST = 20  # of many faults that are told one by one
LONGEST = 300  # characters that are told of a fault, and of the name of its field


class BridgXError(Exception):
    """A request that cannot be fulfilled. ``reason`` is a word of ErrorReason in lower case.

    ``retry_after`` is in seconds, None where nobody knows better than the reason tells.
    """

    def __init__(self, reason: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.retry_after = retry_after


class InvalidFields(BridgXError):
    """Fields that are missing, malformed, or name what does not exist. Of many the message names the first, and how many more."""

    def __init__(self, fields: Sequence[FieldError]) -> None:
        super().__init__("param_invalid", listed(fields))
        self.fields = tuple(fields)


class InvalidField(InvalidFields):
    """One such field."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__([FieldError(field, message)])


class NotFound(BridgXError):
    """``kind`` is cluster, vpc, subnet, security_group, task, instance, account or token."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{kind}_not_found", f"there is no {kind.replace('_', ' ')} {name}")
        self.kind = kind
        self.name = name


class AlreadyExists(BridgXError):
    """``kind`` is cluster, account or token."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{kind}_already_exists", f"there is already a {kind} {name}")
        self.kind = kind
        self.name = name


class Conflict(BridgXError):
    """The state of things stands against it."""

    def __init__(self, message: str) -> None:
        super().__init__("conflict", message)


class RequestInProgress(BridgXError):
    """Another attempt works on the same request."""

    def __init__(self, message: str, retry_after: float) -> None:
        told = f"{message}: repeat the call in {retry_after:.3g} s to get its answer"
        super().__init__("request_in_progress", told, retry_after)


class CutOff(BridgXError):
    """A request without an id has been taken from whoever worked on it, and has no answer that a repetition could get.

    ``undone``: it may have made something, which is removed again.
    """

    def __init__(self, *, undone: bool) -> None:
        what = "what it has made, if anything, is removed again by itself" if undone else "nothing was done"
        super().__init__(
            "server_unavailable",
            f"the request was cut off, and {what}: make it again, with a request_id, to be able to repeat it",
        )


class QuotaExceeded(BridgXError):
    """More machines than the cluster's quota allows."""

    def __init__(self, message: str) -> None:
        super().__init__("quota_exceeded", message)


class TokenInvalid(BridgXError):
    """No bearer token, or one that is not known."""

    def __init__(self, message: str = "a valid bearer token is required") -> None:
        super().__init__("token_invalid", message)


class PermissionDenied(BridgXError):
    """The caller may not do this."""

    def __init__(self, message: str) -> None:
        super().__init__("permission_denied", message)


def listed(fields: Sequence[FieldError], first: int = FIRST, longest: int = LONGEST) -> str:
    """``first`` of the faults in one text, each of its parts cut to ``longest`` characters, and how many more there are."""
    told = [f"{clipped(error.field, longest)}: {clipped(error.message, longest)}" for error in fields[:first]]
    if len(fields) > first:
        told.append(f"and {len(fields) - first:,} more")
    return "; ".join(told)


def clipped(text: str, longest: int) -> str:
    """A text of at most ``longest`` characters; one that was longer ends with an ellipsis."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
