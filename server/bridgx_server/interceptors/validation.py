"""Checks every request: its texts against what a reader can see, and the rest against the constraints of its proto."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import protovalidate
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from bridgx_server.domain.text import unreadable, visible
from bridgx_server.errors import FieldError, InvalidField, InvalidFields
from bridgx_server.front.context import CallContext
from bridgx_server.interceptors.caller import current_idempotency_key
from bridgx_server.interceptors.layer import Layer

_KEY = re.compile(r"[A-Za-z0-9._:-]{0,64}")


class Validation(Layer):
    """Refuses what breaks a constraint, naming every field that does."""

    def __init__(self) -> None:
        self._validator = protovalidate.Validator()

    def around(self, method: str, request: Any, context: CallContext) -> Iterator[None]:
        if isinstance(request, Message) and method.startswith("/bridgx."):
            errors = list(_unreadable(request))
            errors += [
                FieldError(_path(violation.proto), violation.proto.message)
                for violation in self._validator.collect_violations(request)
            ]
            if errors:
                raise InvalidFields(errors)
            if not _KEY.fullmatch(current_idempotency_key()):
                raise InvalidField("Idempotency-Key", "must have at most 64 characters of letters, digits and ._:-")
        yield


def _unreadable(message: Message, prefix: str = "") -> Iterator[FieldError]:
    """Every text of the message that has a control, bidirectional, zero-width or otherwise invisible character.

    The values of maps, which are tags, may join letters; all else is a name, or names something.
    """
    for field, value in message.ListFields():
        path = f"{prefix}{field.name}"
        if field.message_type is None:
            if field.type == FieldDescriptor.TYPE_STRING:
                yield from _in_texts(path, value)
        elif field.message_type.GetOptions().map_entry:
            yield from _in_map(path, value)
        elif isinstance(value, Message):
            yield from _unreadable(value, f"{path}.")
        else:
            for index, part in enumerate(value):
                yield from _unreadable(part, f"{path}[{index}].")


def _in_texts(path: str, value: str | Sequence[str]) -> Iterator[FieldError]:
    """In a text, or in a list of very many, where paths are made for those alone that are refused."""
    if isinstance(value, str):
        if found := unreadable(value):
            yield _refusal(path, found)
        return
    for index, text in enumerate(value):
        if found := unreadable(text):
            yield _refusal(f"{path}[{index}]", found)


def _in_map(path: str, value: Mapping[Any, Any]) -> Iterator[FieldError]:
    for key, text in value.items():
        if found := unreadable(str(key)):
            yield _refusal(f"{path}['{visible(str(key))}']", found, "its key ")
        if isinstance(text, str) and (found := unreadable(text, formats=True)):
            yield _refusal(f"{path}['{visible(str(key))}']", found)


def _refusal(field: str, found: str, what: str = "") -> FieldError:
    return FieldError(field, f"{what}must not contain {found}, which a reader cannot see; leave it out")


def _path(violation: Any) -> str:
    """The field as JSON has it: `disks.data_disk[0].size`, `tags["key"]`."""
    parts: list[str] = []
    for element in violation.field.elements if violation.field is not None else ():
        kind, key = _subscript(element)
        part = str(element.field_name)
        if kind:
            part += f"[{key}]" if kind == "index" else f"['{visible(str(key))}']"
        parts.append(part)
    # A rule over a whole message is named after the field that it is about: `network_config.subnet_id.required`.
    return ".".join(parts) or str(violation.rule_id).rpartition(".")[0]


def _subscript(element: Any) -> tuple[str, Any]:
    subscript = getattr(element, "subscript", None)
    if subscript is None:
        return "", None
    return str(subscript.field), subscript.value
