"""Statuses of failed calls that fit: whatever a caller or a cloud has said, no error is larger than 7 KiB.

Over gRPC a status is trailers, of which receivers take 8 KiB (`grpc.max_metadata_size`) and answer RESOURCE_EXHAUSTED to more:
the message stands there twice, percent-encoded, and within the details, which are in Base64. Over REST it is JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from bridgx_server.errors import FIRST, LONGEST, FieldError, clipped, listed

DOMAIN = "bridgx"
MOST = 7 * 1024  # bytes, of an error
FRAME = 600  # bytes of it that are left for names of headers, what gRPC and the envelope add, and a request id

# How many violations there is room for, and for how many characters of each text; what says most is tried first.
_ROOM = (
    *((FIRST, LONGEST, 2000), (FIRST, 150, 2000), (FIRST, 80, 1000), (FIRST, 50, 1000)),
    *((10, 80, 500), (10, 50, 500), (5, 80, 300), (5, 50, 300), (3, 50, 150), (1, 50, 80), (1, 20, 30)),
)


@dataclass(frozen=True)
class Failure:
    """What a status says. ``reason`` is a word of ErrorReason in lower case; ``listed``: its message lists the violations."""

    reason: str
    message: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: Sequence[FieldError] = ()
    listed: bool = True


def fitting(code: grpc.StatusCode, failure: Failure, further: Sequence[Message]) -> status_pb2.Status:
    """The status with all of a failure that there is room for. Of the violations that are left out it says how many."""
    for status in _shorter_and_shorter(code, failure, further):
        if _fits(status):
            return status
    raise AssertionError("even the shortest status is too long")


def _shorter_and_shorter(
    code: grpc.StatusCode, failure: Failure, further: Sequence[Message]
) -> Iterator[status_pb2.Status]:
    for first, longest, message_longest in _ROOM:
        shown, metadata = failure.violations[:first], dict(failure.metadata)
        left_out = len(failure.violations) - len(shown)
        if left_out:
            metadata["violations_left_out"] = str(left_out)
        if failure.violations and failure.listed:
            message = listed(failure.violations, first, longest)
        else:
            message = clipped(failure.message, message_longest)
        details: list[Message] = [
            error_details_pb2.ErrorInfo(
                reason=failure.reason,
                domain=DOMAIN,
                metadata={key: _text(clipped(value, longest)) for key, value in metadata.items()},
            )
        ]
        if shown:
            details.append(_bad_request(shown, longest))
        yield status_pb2.Status(
            code=code.value[0], message=_text(message), details=[_packed(row) for row in (*details, *further)]
        )


def _fits(status: status_pb2.Status) -> bool:
    room = MOST - FRAME
    if 6 * status.ByteSize() + 1500 <= room:  # if every byte were escaped, with the keys of JSON
        return True
    return _size_of_trailers(status) <= room and _size_of_json(status) <= room


def _size_of_trailers(status: status_pb2.Status) -> int:
    message: bytes = status.message.encode()
    # gRPC writes every other byte as %XX (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, Responses).
    plain = sum(32 <= byte <= 126 and byte != 37 for byte in message)
    return 3 * len(message) - 2 * plain + 4 * -(-int(status.ByteSize()) // 3)


def _size_of_json(status: status_pb2.Status) -> int:
    # Envoy's transcoder writes letters of other scripts as they are, and < > and controls as \u003c.
    text = json.dumps(MessageToDict(status), ensure_ascii=False)
    return len(text.encode()) + 5 * sum(text.count(character) for character in "<>\x7f")


def _bad_request(fields: Sequence[FieldError], longest: int) -> error_details_pb2.BadRequest:
    return error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(
                field=_text(clipped(row.field, longest)), description=_text(clipped(row.message, longest))
            )
            for row in fields
        ]
    )


def _text(text: str) -> str:
    """What UTF-8 can carry of a text: a cloud's answer may hold half of a surrogate pair."""
    return text.encode(errors="replace").decode()


def _packed(detail: Message) -> AnyMessage:
    box = AnyMessage()
    box.Pack(detail)
    return box
