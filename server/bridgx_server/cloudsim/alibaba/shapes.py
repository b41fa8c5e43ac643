"""Pieces that several actions of Alibaba's answer share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bridgx_server.cloudsim.alibaba.errors import Refused


def minutes(at: float) -> str:
    """A time as ECS prints it for machines: to the minute."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%MZ")


def seconds(at: float) -> str:
    """A time as VPC prints it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def numbered(parameters: Mapping[str, Any], name: str) -> list[Any]:
    """The values of `Name.1`, `Name.2` … in their order; a gap is refused."""
    indexes = sorted(
        int(key.rsplit(".", 1)[1])
        for key in parameters
        if key.startswith(f"{name}.") and key.rsplit(".", 1)[1].isdigit()
    )
    return [parameters[f"{name}.{index}"] for index in indexes]


def structures(parameters: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """`Name.1.A`, `Name.1.B` … as one dictionary a number."""
    rows: dict[int, dict[str, Any]] = {}
    for key, value in parameters.items():
        parts = key.split(".")
        if parts[0] == name and len(parts) == 3:
            rows.setdefault(int(parts[1]), {})[parts[2]] = value
    return [rows[index] for index in sorted(rows)]


def tags_of(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Tags, with the vendor's limits: 20, none that begins with aliyun or acs:."""
    tags = {row["Key"]: row.get("Value", "") for row in structures(parameters, "Tag") if "Key" in row}
    if len(tags) > 20:
        raise Refused(400, "InvalidTag.TooMany", "At most 20 tags may be given.")
    if any(key.lower().startswith(("aliyun", "acs:")) or len(key) > 128 for key in tags):
        raise Refused(400, "InvalidTagKey.Malformed", "The specified Tag.n.Key is not valid.")
    return tags


def page_by_number(rows: Sequence[Any], parameters: Mapping[str, Any], largest: int) -> tuple[Sequence[Any], int, int]:
    """A page by PageNumber and PageSize: its rows, number and size."""
    number, size = parameters.get("PageNumber", 1), parameters.get("PageSize", 10)
    if number < 1:
        raise Refused(400, "InvalidParameter.PageNumber", "The specified PageNumber is not valid.")
    if not 1 <= size <= largest:
        raise Refused(400, "InvalidParameter.PageSize", f"PageSize must be from 1 to {largest}.")
    return rows[(number - 1) * size : number * size], number, size


def page_by_token(
    rows: Sequence[Any], parameters: Mapping[str, Any], largest: int, default: int
) -> tuple[Sequence[Any], str]:
    """A page by MaxResults and NextToken: its rows, and the token of the next, empty at the end."""
    size = parameters.get("MaxResults", default)
    if not 1 <= size <= largest:
        raise Refused(400, "InvalidParameter.MaxResults", f"MaxResults must be from 1 to {largest}.")
    token = parameters.get("NextToken", "")
    start = 0
    if token:
        if not (token.startswith("caeba0") and token[6:].isdigit()):
            raise Refused(400, "InvalidParameter.NextToken", "The specified NextToken is not valid.")
        start = int(token[6:])
    end = start + size
    return rows[start:end], f"caeba0{end}" if end < len(rows) else ""
