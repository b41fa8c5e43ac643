"""The requests of all REST operations, out of the protos: one that says everything, and what reads as one and what does not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import bridgx.v1 as pb
from google.api import annotations_pb2
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

TIME = "google.protobuf.Timestamp"
WORDS = ("status",)  # lists of words in one string


class Operation(NamedTuple):
    """One way to call an operation over REST."""

    method: str
    path: str
    call: str  # as gRPC names it
    request: Descriptor


def operations() -> Iterator[Operation]:
    """All of them."""
    files = {
        module.DESCRIPTOR.name: module.DESCRIPTOR
        for module in vars(pb).values()
        if hasattr(getattr(module, "DESCRIPTOR", None), "services_by_name")
    }
    for file in files.values():
        for service in file.services_by_name.values():
            for method in service.methods:
                rule = method.GetOptions().Extensions[annotations_pb2.http]
                for binding in (rule, *rule.additional_bindings):
                    call = f"/{service.full_name}/{method.name}"
                    verb = "GET" if binding.get else "POST"
                    yield Operation(verb, binding.get or binding.post, call, method.input_type)


def everything(kind: Descriptor) -> dict[str, Any]:
    """A body in which every member stands, every list has an element, every map a key."""
    return {field.name: _value(field) for field in kind.fields}


def message_of(kind: Descriptor, body: dict[str, Any]) -> Message:
    """The message that a body is."""
    message: Message = json_format.ParseDict(body, message_factory.GetMessageClass(kind)())
    return message


def _value(field: FieldDescriptor) -> Any:
    if is_map(field):
        return {"key": "value"}
    one = _one(field)
    return [one] if field.is_repeated else one


def _one(field: FieldDescriptor) -> Any:
    if field.message_type is not None:
        return "2021-11-02T06:09:38Z" if field.message_type.full_name == TIME else everything(field.message_type)
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return "running" if field.name in WORDS else f"a {field.name}"
    return field.cpp_type == FieldDescriptor.CPPTYPE_BOOL or 7


def is_map(field: FieldDescriptor) -> bool:
    """Whether it is a map."""
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def reads_as(kind: Descriptor, text: str) -> bool:
    """Whether a text is JSON, strictly, and a request of that kind, with nothing beside it. The second opinion to strict.lua."""
    try:
        body = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_once)
        json.dumps(body, ensure_ascii=False).encode()
    except (ValueError, RecursionError):  # UnicodeEncodeError, for half a surrogate, is a ValueError
        return False
    return isinstance(body, _Object) and not body.twice and _is_message(kind, body)


class _Object(dict[str, Any]):
    twice = False


def _once(pairs: list[tuple[str, Any]]) -> _Object:
    made = _Object(pairs)
    made.twice = len(made) < len(pairs) or any(_holds_twice(value) for _, value in pairs)
    return made


def _holds_twice(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_holds_twice, value))
    return isinstance(value, _Object) and value.twice


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _is_message(kind: Descriptor, value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    fields = kind.fields_by_name
    return all(name in fields and _is_field(fields[name], member) for name, member in value.items())


def _is_field(field: FieldDescriptor, value: Any) -> bool:
    if is_map(field):
        return value is None or (isinstance(value, dict) and all(isinstance(member, str) for member in value.values()))
    if field.is_repeated:
        return isinstance(value, list) and all(_is_one(field, element) for element in value)
    return value is None or _is_one(field, value)


def _is_one(field: FieldDescriptor, value: Any) -> bool:
    if field.message_type is not None:
        return _is_message(field.message_type, value)
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return isinstance(value, bool)
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return isinstance(value, str)
    if isinstance(value, str):
        return re.fullmatch(r"-?[0-9]+", value) is not None and _is_int32(float(value))
    return isinstance(value, (int, float)) and not isinstance(value, bool) and _is_int32(value)


def _is_int32(value: float) -> bool:
    return -(2**31) <= value <= 2**31 - 1 and int(value) == value
