"""What requests may carry, and pieces that several answers share."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bridgx_server.cloudsim.huawei.errors import bad

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
NAME = re.compile(r"[\w\u4e00-\u9fff.-]{1,64}")


@dataclass(frozen=True)
class Field:
    """A parameter: ``kind`` is text, integer, boolean, map, list or object; ``of`` describes a list's items or an
    object's members. ``size`` limits a list's items or a number's value."""

    kind: str = "text"
    required: bool = False
    of: Field | Mapping[str, Field] | None = None
    choices: tuple[str, ...] = ()
    size: tuple[int, int] | None = None


TEXT = Field()
INTEGER = Field("integer")
BOOLEAN = Field("boolean")
MAP = Field("map")
TEXTS = Field("list", of=TEXT)


def each(names: str, field: Field) -> dict[str, Field]:
    """The same field under each of the names, which blanks part."""
    return dict.fromkeys(names.split(), field)


_TYPES: Mapping[str, tuple[type, ...]] = {
    "text": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "list": (list,),
    "object": (dict,),
    "map": (dict,),
}


def checked(given: Mapping[str, Any], known: Mapping[str, Field], where: str = "") -> dict[str, Any]:
    """The members of an object, without those that are null; raises Refused.

    A member that is not known is refused: a misspelt parameter that is passed over is what a simulator is there to find.
    """
    for name in given:
        if name not in known:
            raise bad(f"request body is illegal: {where}{name} is not a parameter of this call.")
    values = {}
    for name, field in known.items():
        value = given.get(name)
        if value is None:
            if field.required:
                raise bad(f"request body is illegal: {where}{name} is required.")
            continue
        values[name] = _value(value, field, f"{where}{name}")
    return values


def from_query(pairs: Sequence[tuple[str, str]], known: Mapping[str, Field]) -> dict[str, Any]:
    """The parameters of a query, with their types; one that is a list may be given several times. Raises Refused."""
    values: dict[str, Any] = {}
    for name, text in pairs:
        field = known.get(name, TEXT)
        if field.kind == "list":
            values.setdefault(name, []).append(text)
        elif name in values:
            raise bad(f"{name} is given twice.")
        elif field.kind == "integer":
            if not text.lstrip("-").isdigit():
                raise bad(f"{name} must be an integer.")
            values[name] = int(text)
        elif field.kind == "boolean":
            if text not in ("true", "false"):
                raise bad(f"{name} must be true or false.")
            values[name] = text == "true"
        else:
            values[name] = text
    return checked(values, known)


def _value(value: Any, field: Field, where: str) -> Any:
    if not _is(value, field.kind):
        raise bad(f"request body is illegal: {where} must be of type {field.kind}.")
    if field.choices and value not in field.choices:
        raise bad(f"{where} must be one of {', '.join(field.choices)}.")
    if field.size is not None:
        number = len(value) if isinstance(value, list) else value
        if not field.size[0] <= number <= field.size[1]:
            raise bad(f"{where} must be from {field.size[0]} to {field.size[1]}.")
    if field.kind == "list" and isinstance(field.of, Field):
        items = field.of
        return [_value(item, items, f"{where}[{index}]") for index, item in enumerate(value)]
    if field.kind == "object" and isinstance(field.of, Mapping):
        return checked(value, field.of, f"{where}.")
    return value


def _is(value: Any, kind: str) -> bool:
    # To Python a boolean is an integer too.
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def after_marker(rows: Sequence[dict[str, Any]], parameters: Mapping[str, Any], most: int) -> list[dict[str, Any]]:
    """The page of a list that begins after the row whose id is the marker, ``most`` rows unless a limit is given."""
    marker = parameters.get("marker", "")
    start = next((index + 1 for index, row in enumerate(rows) if row["id"] == marker), None if marker else 0)
    if start is None:
        raise bad(f"marker {marker} is invalid.")
    return list(rows[start : start + parameters.get("limit", most)])


def chosen(rows: Sequence[dict[str, Any]], parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows whose members are what the parameters of their names say: one value, or one of a list."""
    filters = {name: value for name, value in parameters.items() if name not in ("limit", "marker")}
    return [
        row
        for row in rows
        if all(row.get(name) in (value if isinstance(value, list) else [value]) for name, value in filters.items())
    ]


def named(name: str) -> str:
    """A name that VPC takes; raises Refused."""
    if NAME.fullmatch(name) is None:
        raise bad("name must have 1 to 64 letters, digits, _, - or .")
    return name


def moment(at: float) -> str:
    """A time as Huawei prints it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
