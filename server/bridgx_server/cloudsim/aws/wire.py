"""The EC2 query protocol, read and written by the service model that botocore ships."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any
from xml.sax.saxutils import escape

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel

from bridgx_server.cloudsim.aws.errors import Refused

VERSION = "2016-11-15"
NAMESPACE = f"http://ec2.amazonaws.com/doc/{VERSION}/"


@cache
def _service() -> ServiceModel:
    return ServiceModel(Loader().load_service_model("ec2", "service-2", VERSION), "ec2")


def operation(action: str) -> OperationModel | None:
    """The model of an action, None where EC2 has no such action."""
    service = _service()
    return service.operation_model(action) if action in service.operation_names else None


def read(model: OperationModel, form: Mapping[str, str]) -> dict[str, Any]:
    """The parameters of a request by their model names; raises Refused for what the model does not know."""
    left = {key for key in form if key not in ("Action", "Version")}
    parameters: dict[str, Any] = {}
    if model.input_shape is not None:
        found = _read_structure(model.input_shape, "", form, left)
        parameters = found if found is not None else {}
        for name in model.input_shape.required_members:
            if name not in parameters:
                wire = _wire_name(model.input_shape.members[name], name)
                raise Refused(400, "MissingParameter", f"The request must contain the parameter {wire}")
    if left:
        raise Refused(400, "UnknownParameter", f"The parameter {sorted(left)[0]} is not recognized")
    return parameters


def _read(shape: Any, prefix: str, form: Mapping[str, str], left: set[str]) -> Any:
    if shape.type_name == "structure":
        return _read_structure(shape, f"{prefix}.", form, left)
    if shape.type_name == "list":
        return _read_list(shape, prefix, form, left)
    if prefix not in form:
        return None
    left.discard(prefix)
    return _scalar(shape, prefix, form[prefix])


def _read_structure(shape: Any, prefix: str, form: Mapping[str, str], left: set[str]) -> dict[str, Any] | None:
    if prefix and not any(key.startswith(prefix) for key in form):
        return None
    values: dict[str, Any] = {}
    for name, member in shape.members.items():
        value = _read(member, f"{prefix}{_wire_name(member, name)}", form, left)
        if value is not None:
            values[name] = value
    return values


def _read_list(shape: Any, prefix: str, form: Mapping[str, str], left: set[str]) -> list[Any] | None:
    pattern = re.compile(rf"{re.escape(prefix)}\.(\d+)(?:\.|$)")
    numbers = sorted({int(match[1]) for key in form if (match := pattern.match(key))})
    if not numbers:
        return None
    return [_read(shape.member, f"{prefix}.{number}", form, left) for number in numbers]


def _scalar(shape: Any, name: str, text: str) -> Any:
    if shape.type_name in ("integer", "long"):
        if not re.fullmatch(r"-?\d+", text):
            raise Refused(
                400, "InvalidParameterValue", f"Value ({text}) for parameter {name} is invalid. Must be an integer."
            )
        return int(text)
    if shape.type_name == "boolean":
        if text not in ("true", "false"):
            raise Refused(
                400, "InvalidParameterValue", f"Value ({text}) for parameter {name} is invalid. Must be a boolean."
            )
        return text == "true"
    if (
        shape.type_name == "string"
        and getattr(shape, "enum", None)
        and text not in shape.enum
        and shape.name != "InstanceType"
    ):
        raise Refused(400, "InvalidParameterValue", f"Value ({text}) for parameter {name} is invalid.")
    return text


def _wire_name(shape: Any, name: str) -> str:
    query_name = shape.serialization.get("queryName")
    if query_name:
        return str(query_name)
    location = str(shape.serialization.get("name", name))
    return location[:1].upper() + location[1:]


def write(model: OperationModel, answer: Mapping[str, Any], request_id: str) -> str:
    """The answer as XML, in the order and under the names of the model."""
    body = _members(model.output_shape, answer) if model.output_shape is not None else "<return>true</return>"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{model.name}Response xmlns="{NAMESPACE}">'
        f"<requestId>{request_id}</requestId>{body}</{model.name}Response>"
    )


def _members(shape: Any, values: Mapping[str, Any]) -> str:
    unknown = set(values) - set(shape.members)
    if unknown:
        raise AssertionError(f"{shape.name} has no member {unknown}")
    parts = []
    for name, member in shape.members.items():
        value = values.get(name)
        if value is not None:
            tag = member.serialization.get("name", name)
            parts.append(f"<{tag}>{_value(member, value)}</{tag}>")
    return "".join(parts)


def _value(shape: Any, value: Any) -> str:
    if shape.type_name == "structure":
        return _members(shape, value)
    if shape.type_name == "list":
        tag = shape.member.serialization.get("name", "item")
        return "".join(f"<{tag}>{_value(shape.member, item)}</{tag}>" for item in value)
    if shape.type_name == "boolean":
        return "true" if value else "false"
    if shape.type_name == "timestamp":
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return escape(str(value))
