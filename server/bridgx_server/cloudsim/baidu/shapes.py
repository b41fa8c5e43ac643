"""What requests may carry, and pieces that several answers share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bridgx_server.cloudsim.baidu.errors import Refused, bad

MOST_KEYS = 1000  # rows a page


@dataclass(frozen=True)
class Field:
    """A parameter: ``kind`` is text, integer, boolean, number, list or object; ``of`` describes a list's items or an
    object's members. ``size`` limits a list's items or a number's value."""

    kind: str = "text"
    required: bool = False
    of: Field | Mapping[str, Field] | None = None
    choices: tuple[str, ...] = ()
    size: tuple[int, int] | None = None


TEXT = Field()
INTEGER = Field("integer")
BOOLEAN = Field("boolean")
TEXTS = Field("list", of=TEXT)
TAGS = Field("list", of=Field("object", of={"tagKey": Field(required=True), "tagValue": TEXT}))
TOKEN = {"clientToken": TEXT}
PAGE = {"marker": TEXT, "maxKeys": Field("integer", size=(1, MOST_KEYS))}
IDS = Field("list", required=True, of=TEXT, size=(1, 100))

_TYPES: Mapping[str, tuple[type, ...]] = {
    "text": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "number": (int, float),
    "list": (list,),
    "object": (dict,),
}


def checked(given: Mapping[str, Any], known: Mapping[str, Field], where: str = "") -> dict[str, Any]:
    """The members of an object, without those that are null; raises Refused.

    A member that is not known is refused. The vendor passes over such ("Error Return" of the BCC API reference), but a
    misspelt parameter that is passed over is what a simulator is there to find.
    """
    for name in given:
        if name not in known:
            raise _inappropriate(f"{where}{name} is not a parameter of this call")
    values = {}
    for name, field in known.items():
        value = given.get(name)
        if value is None:
            if field.required:
                raise _inappropriate(f"{where}{name} is required")
            continue
        values[name] = _value(value, field, f"{where}{name}")
    return values


def from_query(pairs: Sequence[tuple[str, str]], known: Mapping[str, Field]) -> dict[str, Any]:
    """The parameters of a query, with their types; raises Refused."""
    values: dict[str, Any] = {}
    for name, text in pairs:
        field = known.get(name, TEXT)
        if field.kind == "integer":
            if not text.lstrip("-").isdigit():
                raise bad(f"{name} must be an integer")
            values[name] = int(text)
        elif field.kind == "boolean":
            if text.lower() not in ("true", "false"):
                raise bad(f"{name} must be true or false")
            values[name] = text.lower() == "true"
        else:
            values[name] = text
    values = checked(values, known)
    token = values.get("clientToken", "")
    if len(token) > 64 or not token.isascii():
        raise bad("clientToken must be at most 64 ASCII characters")
    return values


def _value(value: Any, field: Field, where: str) -> Any:
    if not _is(value, field.kind):
        raise _inappropriate(f"{where} must be of type {field.kind}")
    if field.choices and value not in field.choices:
        raise bad(f"{where} must be one of {', '.join(field.choices)}")
    if field.size is not None:
        number = len(value) if isinstance(value, list) else value
        if not field.size[0] <= number <= field.size[1]:
            raise bad(f"{where} must be from {field.size[0]} to {field.size[1]}")
    if field.kind == "list" and isinstance(field.of, Field):
        items = field.of
        return [_value(item, items, f"{where}[{index}]") for index, item in enumerate(value)]
    if field.kind == "object" and isinstance(field.of, Mapping):
        return checked(value, field.of, f"{where}.")
    return value


def _is(value: Any, kind: str) -> bool:
    # To Python a boolean is an integer too.
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _inappropriate(message: str) -> Refused:
    return Refused(400, "InappropriateJSON", message)


def page(
    rows: Sequence[dict[str, Any]], parameters: Mapping[str, Any], name: str, key: Callable[[dict[str, Any]], str]
) -> dict[str, Any]:
    """A page of a list, by marker. The marker is the last key of the page before, so that deletions skip nothing."""
    marker, most = parameters.get("marker", ""), parameters.get("maxKeys", MOST_KEYS)
    later = sorted((row for row in rows if key(row) > marker), key=key)
    shown = later[:most]
    answer: dict[str, Any] = {"marker": marker, "isTruncated": len(later) > most, "maxKeys": most, name: shown}
    if len(later) > most:
        answer["nextMarker"] = key(shown[-1])
    return answer


def split(text: str) -> list[str]:
    """The members of a list that a query carries, joined by commas; at most 100."""
    members = [part for part in text.split(",") if part]
    if len(members) > 100:
        raise bad("at most 100 values may be given, joined by commas")
    return members


def tags_of(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Tags as the core keeps them."""
    return {row["tagKey"]: row.get("tagValue", "") for row in parameters.get("tags", ())}


def tag_rows(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as Baidu shows them."""
    return [{"tagKey": key, "tagValue": value} for key, value in tags.items()]


def moment(at: float) -> str:
    """A time as Baidu prints it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
