"""Messages that hypothesis makes of the protos: right, nearly right and wrong values, some of them names of what exists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st

DEPTH = 4  # of messages within messages

Known = Mapping[str, Sequence[str]]

_ODD = (
    *(
        "",
        " ",
        "\x00",
        "\x7f",
        "a\nb",
        "' OR 1=1 --",
        "%s%n",
        "../../../etc/passwd",
        "${jndi:ldap://a}",
        "<b>",
        "-1",
        "0",
    ),
    *("٣", "é", "集群", "\U0001f4a3", "\u202e", "\ufeff", "a" * 64, "a" * 65, "a" * 128, "a" * 5000, "2024-02-30"),
    *(
        "9999-12-31",
        "0001-01-01",
        "10.0.0.0/8",
        "0.0.0.0/0",
        "::/0",
        "1/65535",
        "-1/-1",
        "running,deleted",
        "true",
        "null",
    ),
)
_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}


def messages(kind: Descriptor, known: Known, depth: int = DEPTH) -> st.SearchStrategy[Message]:
    """Messages of a kind. ``known`` has values by the names of fields; they are taken often."""
    create = message_factory.GetMessageClass(kind)
    fields = {field.name: _values(field, known, depth) for field in kind.fields if depth or not field.message_type}
    return st.fixed_dictionaries({}, optional=fields).map(lambda values: create(**values))


def texts(name: str, known: Known) -> st.SearchStrategy[str]:
    """Strings for a field of that name."""
    ways: list[st.SearchStrategy[str]] = [
        st.sampled_from(_ODD),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=80),
    ]
    if known.get(name):
        ways += [st.sampled_from(list(known[name]))] * 4
    return st.one_of(ways)


def _values(field: FieldDescriptor, known: Known, depth: int) -> st.SearchStrategy[Any]:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        key, value = field.message_type.fields
        return st.dictionaries(_one(key, known, depth), _one(value, known, depth), max_size=20)
    one = _one(field, known, depth)
    return st.lists(one, max_size=4) if field.is_repeated else one


def _one(field: FieldDescriptor, known: Known, depth: int) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        return messages(field.message_type, known, depth - 1)
    if field.cpp_type in _INTEGERS:
        least, most = _INTEGERS[field.cpp_type]
        return st.one_of(st.integers(0, 60), st.sampled_from([least, most]), st.integers(least, most))
    if field.cpp_type in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        return st.floats(width=32)
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return st.sampled_from([value.number for value in field.enum_type.values])
    return st.binary(max_size=80) if field.type == FieldDescriptor.TYPE_BYTES else texts(field.name, known)
