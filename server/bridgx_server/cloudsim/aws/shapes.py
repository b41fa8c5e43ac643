"""Pieces that several actions of EC2 share: filters, pages, tags."""

from __future__ import annotations

import base64
import fnmatch
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bridgx_server.cloudsim.aws.errors import Refused

OWNER = "123456789012"


def page(
    rows: Sequence[Any], parameters: Mapping[str, Any], *, least: int = 5, most: int = 1000
) -> tuple[Sequence[Any], str | None]:
    """A page by MaxResults and NextToken; everything where no MaxResults is given."""
    size = parameters.get("MaxResults")
    if size is None:
        return rows, None
    if not least <= size <= most:
        raise Refused(400, "InvalidParameterValue", f"MaxResults must be from {least} to {most}.")
    start = 0
    if parameters.get("NextToken"):
        try:
            start = int(base64.b64decode(parameters["NextToken"], validate=True))
        except ValueError:
            raise Refused(400, "InvalidNextToken", "The pagination token is invalid.") from None
    end = start + size
    return rows[start:end], base64.b64encode(str(end).encode()).decode() if end < len(rows) else None


Values = Callable[[Any], Sequence[str]]


def filtered(
    rows: Sequence[Any],
    parameters: Mapping[str, Any],
    known: Mapping[str, Values],
    tags: Callable[[Any], Mapping[str, str]],
) -> list[Any]:
    """The rows that pass every filter; values may hold ``*`` and ``?``. Unknown filters are refused."""
    found = list(rows)
    for condition in parameters.get("Filters", []):
        name, wanted = condition.get("Name", ""), condition.get("Values", [])
        if name.startswith("tag:"):
            key = name[4:]
            found = [row for row in found if key in tags(row) and _any(wanted, [tags(row)[key]])]
        elif name == "tag-key":
            found = [row for row in found if _any(wanted, list(tags(row)))]
        elif name in known:
            found = [row for row in found if _any(wanted, known[name](row))]
        else:
            raise Refused(400, "InvalidParameterValue", f"The filter '{name}' is invalid")
    return found


def _any(patterns: Sequence[str], values: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(value, pattern) for pattern in patterns for value in values)


def tags_for(parameters: Mapping[str, Any], resource: str) -> dict[str, str]:
    """The tags that TagSpecifications gives to a kind of resource, with EC2's limits."""
    tags: dict[str, str] = {}
    for specification in parameters.get("TagSpecifications", []):
        if specification.get("ResourceType") == resource:
            for tag in specification.get("Tags", []):
                tags[tag["Key"]] = tag.get("Value", "")
    if len(tags) > 50:
        raise Refused(400, "TagLimitExceeded", "More than 50 tags were given.")
    for key, value in tags.items():
        if key.startswith("aws:") or not 1 <= len(key) <= 127 or len(value) > 255:
            raise Refused(400, "InvalidParameterValue", f"Tag key {key} is not valid.")
    return tags


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as EC2 lists them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def refuse_dry_run(parameters: Mapping[str, Any]) -> None:
    """What DryRun answers when the call would have worked."""
    if parameters.get("DryRun"):
        raise Refused(412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
