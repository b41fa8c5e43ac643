"""Pieces that several actions of Tencent's share: pages, filters, tags, times."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, TypeVar

from bridgx_server.cloudsim.tencent.errors import Refused

Row = TypeVar("Row")

PAGE = 20  # rows where no Limit is given
LARGEST = 100  # rows a page, and ids a call
MOST_FILTERS = 10
MOST_TAGS = 50
_BEIJING = timezone(timedelta(hours=8))
_TAG = re.compile(r"[\w+\-=.:/@()\[\],;><【】（）： ]+")


def iso(at: float) -> str:
    """A time as CVM prints it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def local(at: float) -> str:
    """A time as VPC prints it: without a zone."""
    return datetime.fromtimestamp(at, _BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def page(rows: Sequence[Row], parameters: Mapping[str, Any]) -> Sequence[Row]:
    """A page by Offset and Limit, which CVM has as integers and VPC as texts."""
    offset, limit = (_number(parameters, name, default) for name, default in (("Offset", 0), ("Limit", PAGE)))
    if offset < 0:
        raise Refused("InvalidParameterValueOffset", "The specified `Offset` is invalid.")
    if not 1 <= limit <= LARGEST:
        raise Refused("InvalidParameterValueLimit", f"`Limit` must be from 1 to {LARGEST}.")
    return rows[offset : offset + limit]


def _number(parameters: Mapping[str, Any], name: str, default: int) -> int:
    value = parameters.get(name, default)
    try:
        return int(value)
    except ValueError:
        raise Refused("InvalidParameterValue", f"`{name}` must be a number.") from None


def ids_or_filters(
    parameters: Mapping[str, Any],
    ids: str,
    names: Collection[str],
    *,
    both: str,
    unknown: str,
    most_values: int = 5,
) -> tuple[list[str] | None, list[tuple[str, list[str]]]]:
    """The ids (None: not given) and filters of a list's call, which exclude each other.

    ``both`` and ``unknown`` are the codes for the two together, and for a filter that is not among ``names``.
    """
    wanted: list[str] | None = parameters.get(ids)
    filters = [(row["Name"], row["Values"]) for row in parameters.get("Filters", ())]
    if wanted and filters:
        raise Refused(both, f"`{ids}` and `Filters` must not be given together.")
    if wanted and len(wanted) > LARGEST:
        raise Refused("InvalidParameterValue.LimitExceeded", f"At most {LARGEST} ids may be given.")
    if len(filters) > MOST_FILTERS or any(len(values) > most_values for _, values in filters):
        code = "InvalidFilterValue.LimitExceeded"
        raise Refused(code, f"At most {MOST_FILTERS} filters with {most_values} values each may be given.")
    for name, _ in filters:
        if name not in names and not name.startswith("tag:"):
            raise Refused(unknown, f"The filter `{name}` does not exist.")
    return wanted or None, filters


def matches(
    filters: Iterable[tuple[str, Sequence[str]]],
    values: Mapping[str, str | Sequence[str]],
    tags: Mapping[str, str],
) -> bool:
    """Whether a thing passes all filters. Between the values of one it is `or`, between filters `and`."""

    def passes(name: str, wanted: Sequence[str]) -> bool:
        if name.startswith("tag:"):
            return tags.get(name.removeprefix("tag:")) in wanted
        if name == "tag-key":
            return not tags.keys().isdisjoint(wanted)
        if name == "tag-value":
            return not set(tags.values()).isdisjoint(wanted)
        value = values[name]
        return value in wanted if isinstance(value, str) else not set(value).isdisjoint(wanted)

    return all(passes(name, wanted) for name, wanted in filters)


@dataclass(frozen=True)
class TagCodes:
    """How a product refuses tags."""

    many: str
    twice: str
    reserved: str
    illegal: str


def tags_of(rows: Sequence[Mapping[str, str]], codes: TagCodes) -> dict[str, str]:
    """Tags, within the limits of the tag product: 50, 127 and 255 characters, none of its reserved keys."""
    tags = {row["Key"]: row.get("Value", "") for row in rows}
    if len(tags) < len(rows):
        raise Refused(codes.twice, "A tag key is given twice.")
    if len(tags) > MOST_TAGS:
        raise Refused(codes.many, f"At most {MOST_TAGS} tags may be given.")
    for key, value in tags.items():
        if key.startswith(("qcs:", "project", "项目")):
            raise Refused(codes.reserved, f"The tag key {key} is reserved.")
        fits = 1 <= len(key) <= 127 and 1 <= len(value) <= 255 and (key.strip(), value.strip()) == (key, value)
        if not fits or not (_TAG.fullmatch(key) and _TAG.fullmatch(value)):
            raise Refused(codes.illegal, f"The tag {key} is empty, too long, or has characters that are not allowed.")
    return tags


def tag_rows(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as Tencent shows them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
