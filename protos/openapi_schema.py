"""Messages as JSON schemas: proto3 JSON as Envoy's transcoder prints and reads it, protovalidate's rules as constraints.

A rule that JSON schema cannot say is not lost: its text stands in the description.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

# What the examples of the API manual send beside its own tables, by request: accepted, and of no meaning.
IGNORED = {
    "CreateSecurityGroupRequest": ("page_size",),
    "ListSecurityGroupsRequest": ("spage_number",),
    "GetUsageTotalRequest": ("page_size",),
}
IGNORED_TEXT = "Ignored: an example of the API manual has it."

Schema = dict[str, Any]

_INTEGERS = {
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_SINT32: "int32",
    FieldDescriptor.TYPE_SFIXED32: "int32",
    FieldDescriptor.TYPE_UINT32: "uint32",
    FieldDescriptor.TYPE_FIXED32: "uint32",
}
_LONGS = {
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_SINT64: "int64",
    FieldDescriptor.TYPE_SFIXED64: "int64",
    FieldDescriptor.TYPE_UINT64: "uint64",
    FieldDescriptor.TYPE_FIXED64: "uint64",
}
_FLOATS = {FieldDescriptor.TYPE_FLOAT: "float", FieldDescriptor.TYPE_DOUBLE: "double"}

_NUMBERS = {"float", "double"} | {
    f"{sign}{kind}{bits}"
    for sign, kind in (("", "int"), ("u", "int"), ("s", "int"), ("", "fixed"), ("s", "fixed"))
    for bits in (32, 64)
}

# Messages that JSON writes in a way of their own.
_WELL_KNOWN: Mapping[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time", "examples": ["2021-11-02T06:09:38Z"]},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+([.][0-9]{1,9})?s$", "examples": ["4.500s"]},
    "google.protobuf.FieldMask": {"type": "string"},
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.Empty": {"type": "object"},
    "google.protobuf.Any": {"type": "object", "required": ["@type"], "properties": {"@type": {"type": "string"}}},
}

# Classes of characters that RE2 has and ECMA-262 has otherwise or not; they stand inside brackets.
_CLASSES = {
    r"\p{Cc}": r"\u0000-\u001f\u007f-\u009f",
    r"\p{Han}": (
        r"\u2e80-\u2e99\u2e9b-\u2ef3\u2f00-\u2fd5\u3005\u3007\u3021-\u3029\u3038-\u303b"
        r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufa6d\ufa70-\ufad9"
    ),
}
_BYTE = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = f"^{_BYTE}([.]{_BYTE}){{3}}"
_IPV4_PREFIX = f"{_IPV4}/(3[0-2]|[12]?[0-9])$"
_MATCHES = re.compile(r"(this == '' \|\| )?this\.matches\('((?:[^'\\]|\\.)*)'\)( &&.*)?", re.DOTALL)


class Schemas:
    """The messages of an image, each a schema in `components`, with the comments of its proto."""

    def __init__(self, image: descriptor_pb2.FileDescriptorSet) -> None:
        """`image` has its imports and its source info."""
        self.pool = descriptor_pool.DescriptorPool()
        for file in image.file:
            self.pool.Add(file)
        self._comments = dict(_comments(image))
        self._rules = {kind: self._extension(kind) for kind in ("Field", "Message")}
        self.components: dict[str, Schema] = {}

    def comment(self, full_name: str) -> str:
        """What the proto says of a message, field, service or method."""
        return self._comments.get(full_name, "")

    def answer(self, kind: Descriptor) -> Schema:
        """A reference to a message as the API prints it: every key is there but those of absent messages."""
        return self._reference(kind, kind.name, self._answer_component)

    def request(self, kind: Descriptor) -> Schema:
        """A reference to a message as the API reads it: required is what the rules do not let be absent."""
        name = kind.name if kind.name.endswith("Request") else f"{kind.name}Input"
        return self._reference(kind, name, self._request_component)

    def request_field(self, field: FieldDescriptor) -> tuple[Schema, bool]:
        """A field of a request with its constraints, and whether it is required."""
        rules = self.rules(field)
        schema, required = self._constrained(field, rules)
        return _described(schema, self._texts(field.full_name, rules)), required

    def answer_field(self, field: FieldDescriptor) -> Schema:
        """A field of an answer."""
        return _described(self._shape(field, self.answer), [self.comment(field.full_name)])

    def rules(self, element: FieldDescriptor | Descriptor) -> Message:
        """The protovalidate rules of a field or a message."""
        kind = "Field" if isinstance(element, FieldDescriptor) else "Message"
        options, extension = self._rules[kind]
        # Options come as google.protobuf's own class, which knows no extension of this pool: read anew.
        return options.FromString(element.GetOptions().SerializeToString()).Extensions[extension]

    def _extension(self, kind: str) -> tuple[Any, Any]:
        options = message_factory.GetMessageClass(self.pool.FindMessageTypeByName(f"google.protobuf.{kind}Options"))
        return options, self.pool.FindExtensionByName(f"buf.validate.{kind.lower()}")

    def _reference(self, kind: Descriptor, name: str, make: Any) -> Schema:
        if kind.full_name in _WELL_KNOWN:
            return dict(_WELL_KNOWN[kind.full_name])
        if name not in self.components:
            self.components[name] = {}  # a message may hold itself
            self.components[name] = make(kind)
        return {"$ref": f"#/components/schemas/{name}"}

    def _answer_component(self, kind: Descriptor) -> Schema:
        schema: Schema = {"type": "object", "description": self.comment(kind.full_name)}
        schema["properties"] = {field.json_name: self.answer_field(field) for field in kind.fields}
        schema["required"] = [field.json_name for field in kind.fields if not field.has_presence]
        return schema

    def _request_component(self, kind: Descriptor) -> Schema:
        fields = {field.json_name: self.request_field(field) for field in kind.fields}
        schema: Schema = {"type": "object"}
        schema["properties"] = {name: field for name, (field, _) in fields.items()}
        for name in IGNORED.get(kind.name, ()):
            schema["properties"][name] = {"description": IGNORED_TEXT}
        schema["additionalProperties"] = False
        required = [name for name, (_, needed) in fields.items() if needed]
        if required:
            schema["required"] = required
        return _described(schema, self._texts(kind.full_name, self.rules(kind)))

    def _texts(self, full_name: str, rules: Message) -> list[str]:
        return [self.comment(full_name), *(f"Rule {rule.id}: {rule.message}." for rule in rules.cel)]

    def _shape(self, field: FieldDescriptor, of_message: Any) -> Schema:
        if _is_map(field):
            return {"type": "object", "additionalProperties": self._shape(field.message_type.fields[1], of_message)}
        one = of_message(field.message_type) if field.message_type is not None else _scalar(field)
        return {"type": "array", "items": one} if field.is_repeated else one

    def _constrained(self, field: FieldDescriptor, rules: Message) -> tuple[Schema, bool]:
        schema = self._shape(field, self.request)
        zero = self._apply(schema, field, rules)
        ignores = (
            rules.ignore
            == rules.DESCRIPTOR.fields_by_name["ignore"].enum_type.values_by_name["IGNORE_IF_ZERO_VALUE"].number
        )
        required = rules.required or not (zero or ignores or field.has_presence)
        if zero is False and ignores and "enum" in schema:
            schema["enum"] = ["", *schema["enum"]]
        return schema, required

    def _apply(self, schema: Schema, field: FieldDescriptor, rules: Message) -> bool:
        """Writes the rules into the schema. Answers whether they let the zero value pass."""
        kind = rules.WhichOneof("type")
        zero = True
        if kind == "string":
            zero = _string(schema, rules.string)
        elif kind == "repeated":
            zero = self._repeated(schema, field, rules.repeated)
        elif kind == "map":
            zero = self._map(schema, field, rules.map)
        elif kind in _NUMBERS:
            zero = _number(schema, getattr(rules, kind))
        patterns = []
        for rule in rules.cel:
            found = _MATCHES.fullmatch(rule.expression.strip())
            if found:
                pattern = _ecma(found[2].replace("\\\\", "\\"))
                patterns.append(f"^$|{pattern}" if found[1] else pattern)
                zero = zero and (bool(found[1]) or re.search(pattern, "") is not None)
            elif rule.expression.strip() == "size(this) == 0":
                schema["maxItems"] = 0
        for pattern in patterns:
            if schema.get("pattern") == _IPV4_PREFIX and pattern.startswith("/"):
                schema["pattern"] = _IPV4 + pattern  # of the mask alone
            elif schema.get("pattern") == _IPV4_PREFIX and "/" in pattern:
                schema["pattern"] = pattern  # of the whole block
            elif "pattern" in schema:
                schema.setdefault("allOf", []).append({"pattern": pattern})
            else:
                schema["pattern"] = pattern
        return zero

    def _repeated(self, schema: Schema, field: FieldDescriptor, rules: Message) -> bool:
        if rules.HasField("min_items"):
            schema["minItems"] = rules.min_items
        if rules.HasField("max_items"):
            schema["maxItems"] = rules.max_items
        if rules.unique:
            schema["uniqueItems"] = True
        if rules.HasField("items"):
            self._apply(schema["items"], field, rules.items)
        return rules.min_items == 0

    def _map(self, schema: Schema, field: FieldDescriptor, rules: Message) -> bool:
        if rules.HasField("min_pairs"):
            schema["minProperties"] = rules.min_pairs
        if rules.HasField("max_pairs"):
            schema["maxProperties"] = rules.max_pairs
        if rules.HasField("keys"):
            schema["propertyNames"] = {"type": "string"}
            self._apply(schema["propertyNames"], field, rules.keys)
            texts = [f"Keys {rule.message.removeprefix('keys ')}." for rule in rules.keys.cel]
            schema["propertyNames"] = _described(schema["propertyNames"], texts)
        if rules.HasField("values"):
            self._apply(schema["additionalProperties"], field, rules.values)
        return rules.min_pairs == 0


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _scalar(field: FieldDescriptor) -> Schema:
    if field.type in _INTEGERS:
        return {"type": "integer", "format": _INTEGERS[field.type]}
    if field.type in _LONGS:  # JSON's numbers are too short for them
        return {"type": "string", "format": _LONGS[field.type], "pattern": "^-?[0-9]+$"}
    if field.type in _FLOATS:
        return {"type": "number", "format": _FLOATS[field.type]}
    if field.type == FieldDescriptor.TYPE_BOOL:
        return {"type": "boolean"}
    if field.type == FieldDescriptor.TYPE_BYTES:
        return {"type": "string", "contentEncoding": "base64"}
    if field.type == FieldDescriptor.TYPE_ENUM:
        return {"type": "string", "enum": [value.name for value in field.enum_type.values]}
    return {"type": "string"}


def _string(schema: Schema, rules: Message) -> bool:
    zero = True
    for name, key in (("min_len", "minLength"), ("max_len", "maxLength"), ("max_bytes", "maxLength")):
        if rules.HasField(name):
            schema[key] = getattr(rules, name)
            zero = zero and not (key == "minLength" and schema[key])
    if rules.HasField("len"):
        schema["minLength"] = schema["maxLength"] = rules.len
        zero = rules.len == 0
    if rules.HasField("const"):
        schema["const"] = rules.const
        zero = zero and rules.const == ""
    allowed = list(getattr(rules, "in"))
    if allowed:
        schema["enum"] = allowed
        zero = zero and "" in allowed
    if rules.HasField("pattern"):
        schema["pattern"] = _ecma(rules.pattern)
        zero = zero and re.search(schema["pattern"], "") is not None
    return _well_known_string(schema, rules) and zero


def _well_known_string(schema: Schema, rules: Message) -> bool:
    kind = rules.WhichOneof("well_known")
    if kind is None or not getattr(rules, kind):
        return True
    if kind == "ip":
        schema["anyOf"] = [{"format": "ipv4"}, {"format": "ipv6"}]
    elif kind == "ipv4_prefix":
        schema["pattern"] = _IPV4_PREFIX
    else:
        schema["format"] = {"uri_ref": "uri-reference"}.get(kind, kind)
    return False


def _number(schema: Schema, rules: Message) -> bool:
    zero = True
    bounds = (
        ("gte", "minimum", lambda bound: bound <= 0),
        ("gt", "exclusiveMinimum", lambda bound: bound < 0),
        ("lte", "maximum", lambda bound: bound >= 0),
        ("lt", "exclusiveMaximum", lambda bound: bound > 0),
        ("const", "const", lambda value: value == 0),
    )
    for name, key, holds in bounds:
        if rules.HasField(name):
            schema[key] = getattr(rules, name)
            zero = zero and holds(schema[key])
    allowed = list(getattr(rules, "in"))
    if allowed:
        schema["enum"] = allowed
        zero = zero and 0 in allowed
    return zero


def _ecma(pattern: str) -> str:
    """A pattern of RE2 in the words that ECMA-262, Python and Rust share."""
    for name, characters in _CLASSES.items():
        pattern = pattern.replace(name, characters)
    if "(?i)" in pattern:
        pattern = re.sub(
            r"(?<!\\)[A-Za-z]", lambda letter: f"[{letter[0].upper()}{letter[0].lower()}]", pattern.replace("(?i)", "")
        )
    if re.search(r"\\p|\(\?[a-z]", pattern):
        raise ValueError(f"no common words for the pattern {pattern}: add the class to _CLASSES")
    return pattern


def _described(schema: Schema, texts: list[str]) -> Schema:
    text = "\n\n".join(filter(None, texts))
    return {**schema, "description": text} if text else schema


def _comments(image: descriptor_pb2.FileDescriptorSet) -> Iterator[tuple[str, str]]:
    for file in image.file:
        names = dict(_names(file))
        for location in file.source_code_info.location:
            name = names.get(tuple(location.path))
            if name and location.leading_comments:
                lines = location.leading_comments.strip().splitlines()
                yield f"{file.package}.{name}", "\n".join(line.strip() for line in lines)


def _names(file: descriptor_pb2.FileDescriptorProto) -> Iterator[tuple[tuple[int, ...], str]]:
    def of_message(kind: descriptor_pb2.DescriptorProto, path: tuple[int, ...], outer: str) -> Iterator[Any]:
        name = f"{outer}{kind.name}"
        yield path, name
        for number, field in enumerate(kind.field):
            yield (*path, 2, number), f"{name}.{field.name}"
        for number, nested in enumerate(kind.nested_type):
            yield from of_message(nested, (*path, 3, number), f"{name}.")

    for number, kind in enumerate(file.message_type):
        yield from of_message(kind, (4, number), "")
    for number, service in enumerate(file.service):
        yield (6, number), service.name
        for place, method in enumerate(service.method):
            yield (6, number, 2, place), f"{service.name}.{method.name}"
