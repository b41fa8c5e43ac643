"""What envoy/strict.lua knows of the requests: their members by name and kind, in Lua's words."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from openapi_schema import IGNORED, Schemas

_SCALARS = {
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_INT32: "int32",
}
_TIME = "google.protobuf.Timestamp"
_RESERVED = {"and", "end", "for", "if", "in", "not", "or", "repeat", "return", "until", "while"}  # of Lua's words
_WIDTH = 124  # columns of a line


def tables(image: descriptor_pb2.FileDescriptorSet, routes: Sequence[Any]) -> str:
    """The tables of an image and its routes (see generate.Route) as Lua.

    Raises:
        ValueError: a request has what strict.lua could not read.
    """
    schemas = Schemas(image)
    requests: dict[str, str] = {}
    calls: dict[str, str] = {}
    shapes: dict[str, dict[str, str]] = {}
    for route in routes:
        service, _, name = route.operation.rpartition(".")
        method = schemas.pool.FindServiceByName(service).methods_by_name[name]
        kind = method.input_type
        if requests.setdefault(route.path, kind.name) != kind.name:
            raise ValueError(f"{route.path} takes two kinds of requests")
        if route.reads or "request_id" in kind.fields_by_name:
            calls[f"/{service}/{name}"] = "READS" if route.reads else "KEYED"
        if route.method == "GET":
            _check_query(kind)
        shapes.update(_shapes(schemas, kind))
    return "".join(
        [
            _table("REQUESTS", {path: f'"{kind}"' for path, kind in requests.items()}),
            _table("CALLS", calls),
            _shape_table(shapes),
        ]
    )


def is_words(schemas: Schemas, field: FieldDescriptor) -> bool:
    """Whether a string is a list of words, separated by commas: its rule's id ends with `.words`."""
    return any(rule.id.endswith(".words") for rule in schemas.rules(field).cel)


def _check_query(kind: Descriptor) -> None:
    for field in kind.fields:
        message = field.message_type
        if field.is_repeated or (message is not None and message.full_name != _TIME):
            raise ValueError(f"{field.full_name}: a GET takes single values alone, or a list of words in one string")


def _shapes(schemas: Schemas, kind: Descriptor) -> Iterator[tuple[str, dict[str, str]]]:
    shape = {}
    for field in kind.fields:
        if field.json_name != field.name:
            raise ValueError(f"{field.full_name}: a request's field has one name, and the transcoder would take two")
        shape[field.name] = _kind(schemas, field)
        inner = _inner(field)
        if inner is not None:
            yield from _shapes(schemas, inner)
    shape.update(dict.fromkeys(IGNORED.get(kind.name, ()), "ignored"))
    yield kind.name, shape


def _kind(schemas: Schemas, field: FieldDescriptor) -> str:
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        return f"{{{_one(message.fields_by_name['value'])}}}"
    if is_words(schemas, field):
        return "words"
    return f"[{_one(field)}]" if field.is_repeated else _one(field)


def _one(field: FieldDescriptor) -> str:
    message = field.message_type
    if message is None:
        if field.type not in _SCALARS:
            raise ValueError(f"{field.full_name}: strict.lua has no such kind of value")
        return _SCALARS[field.type]
    if message.full_name == _TIME:
        return "time"
    if message.full_name.startswith("google.protobuf."):
        raise ValueError(f"{field.full_name}: strict.lua does not know how JSON writes {message.full_name}")
    return str(message.name)


def _inner(field: FieldDescriptor) -> Descriptor | None:
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        message = message.fields_by_name["value"].message_type
    return None if message is None or message.full_name == _TIME else message


def _table(name: str, entries: dict[str, str]) -> str:
    lines = [f'  ["{key}"] = {value},' for key, value in sorted(entries.items())]
    return "\n".join([f"{name} = {{", *lines, "}", ""])


def _shape_table(shapes: dict[str, dict[str, str]]) -> str:
    lines = []
    for name, shape in sorted(shapes.items()):
        # What belongs together stays on a line.
        members = ", ".join(f'{_key(key)}\0=\0"{kind}"' for key, kind in shape.items())
        text = f"  {name}\0=\0{{{members}}},"
        lines += textwrap.wrap(text, _WIDTH, subsequent_indent="    ", break_long_words=False)
    return "\n".join(["SHAPES = {", *lines, "}", ""]).replace("\0", " ")


def _key(name: str) -> str:
    return f'["{name}"]' if name in _RESERVED else name
