"""The REST API as an OpenAPI 3.1 document, made of the protos: what Envoy serves at /api/v1/openapi.json.

It states what is on the wire: the envelope, keys as they are spelled, `data` unwrapped, server-sent events.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from openapi_schema import IGNORED, IGNORED_TEXT, Schema, Schemas

SERVED_AT = "/api/v1/openapi.json"
VERSION = "1"

_INTRODUCTION = """\
BridgX keeps templates of machine clusters on five clouds and scales them up and down.

Every answer is the envelope: `{"code": 200, "msg": "success", "data": …}`, or, for a failure, the HTTP status as `code`, a \
stable reason as `msg`, `null` as `data`, and the google.rpc.Status as `error`.

What an operation does not know is refused with 400 param_invalid, which names it and the nearest known name: members of a body, \
query parameters, and any query of a POST. Parameters that begin with `_` or are empty are ignored. A member that is null is one \
that is absent; null is refused in lists and maps, and for a list. No name stands twice; a parameter whose value is a list of \
words may be repeated."""

_STATUSES = {
    400: "param_invalid, bad_credentials or insufficient_balance: what was asked cannot be done as it is.",
    401: "token_invalid: no bearer token, or one that is not known.",
    403: "permission_denied: the caller, or the cloud account, may not do this.",
    404: "…_not_found: what was named is not there.",
    408: "deadline_exceeded: the request came too slowly.",
    409: "…_already_exists, conflict or request_in_progress: the state of things stands against it.",
    413: "body_too_large: more than 1 MiB.",
    415: "media_type_unsupported: called as gRPC is.",
    429: "throttled, quota_exceeded, out_of_stock or no_addresses.",
    431: "param_invalid: headers of more than 16 KiB.",
    500: "internal, or cloud_error: the cloud said what is not in our tables.",
    501: "unimplemented: this server does not have that operation.",
    503: "cloud_unavailable, store_unavailable or server_unavailable: try again.",
    504: "deadline_exceeded or cloud_timeout.",
}
_DETAILS = ("ErrorInfo", "BadRequest", "RetryInfo", "RequestInfo")


def document(image: descriptor_pb2.FileDescriptorSet, routes: Sequence[Any]) -> Schema:
    """The document of an image and its routes (see generate.Route)."""
    schemas = Schemas(image)
    paths: dict[str, Schema] = {}
    tags: dict[str, str] = {}
    seen: set[str] = set()
    for route in routes:
        service, _, name = route.operation.rpartition(".")
        method = schemas.pool.FindServiceByName(service).methods_by_name[name]
        tag = service.rpartition(".")[2]
        tags[tag] = schemas.comment(service)
        operation_id = name if name not in seen else f"{name}By{route.method.capitalize()}"
        seen.add(name)
        operation = {"tags": [tag], "operationId": operation_id, **_operation(schemas, route, method)}
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    paths[SERVED_AT] = {"get": _own_operation()}
    failure = _failure(schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "BridgX", "version": VERSION, "description": _INTRODUCTION},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": [{"name": name, "description": text} for name, text in sorted(tags.items())],
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "parameters": _shared_parameters(),
            "responses": {f"Failure{status}": _failure_response(status) for status in _STATUSES},
            "schemas": dict(sorted({**schemas.components, "Failure": failure}.items())),
        },
    }


def write(path: Path, image: descriptor_pb2.FileDescriptorSet, routes: Sequence[Any]) -> None:
    """Writes the document as JSON."""
    text = json.dumps(document(image, routes), indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def _operation(schemas: Schemas, route: Any, method: MethodDescriptor) -> Schema:
    if "{" in route.path:
        raise ValueError(f"{route.path}: envelope.lua knows fixed paths alone")
    text = schemas.comment(method.full_name)
    operation: Schema = {"summary": text.partition(". ")[0].partition(".\n")[0].rstrip("."), "description": text}
    parameters = [{"$ref": "#/components/parameters/RequestId"}]
    if "request_id" in method.input_type.fields_by_name:
        parameters.append({"$ref": "#/components/parameters/IdempotencyKey"})
    if route.method in ("GET", "DELETE"):
        parameters += _query(schemas, method.input_type)
    else:
        body = {"application/json": {"schema": schemas.request(method.input_type)}}
        operation["requestBody"] = {"required": True, "content": body}
    operation["parameters"] = parameters
    failures = {str(status): {"$ref": f"#/components/responses/Failure{status}"} for status in _STATUSES}
    operation["responses"] = {"200": _success(schemas, route, method), **failures}
    return operation


def _success(schemas: Schemas, route: Any, method: MethodDescriptor) -> Schema:
    answer = method.output_type
    headers = {"x-request-id": {"schema": {"type": "string"}}}
    if route.streams:
        event = {"type": "string", "contentMediaType": "application/json", "contentSchema": schemas.answer(answer)}
        events = {
            "schema": {
                "type": "object",
                "description": "An event of the stream, which is one JSON object as data.",
                "required": ["data"],
                "properties": {"data": event},
            }
        }
        return {
            "description": schemas.comment(answer.full_name),
            "headers": headers,
            "content": {"text/event-stream": events},
        }
    data = schemas.answer(answer)
    if route.data:
        (field,) = (field for field in answer.fields if field.json_name == route.data)
        data = schemas.answer_field(field)
    envelope = {
        "type": "object",
        "required": ["code", "msg", "data"],
        "additionalProperties": False,
        "properties": {"code": {"const": 200}, "msg": {"const": "success"}, "data": data},
    }
    content = {"application/json": {"schema": envelope}}
    return {"description": schemas.comment(answer.full_name) or "Success.", "headers": headers, "content": content}


def _query(schemas: Schemas, kind: Descriptor, prefix: str = "") -> Iterator[Schema]:
    for field in kind.fields:
        name = f"{prefix}{field.json_name}"
        if field.type == FieldDescriptor.TYPE_MESSAGE and not field.is_repeated:
            if field.message_type.full_name.startswith("google.protobuf."):
                yield _parameter(name, *schemas.request_field(field))
            else:
                yield from _query(schemas, field.message_type, f"{name}.")
        elif field.type != FieldDescriptor.TYPE_MESSAGE:
            yield _parameter(name, *schemas.request_field(field))
    for name in IGNORED.get(kind.name, ()) if not prefix else ():
        yield _parameter(name, {"type": "string", "description": IGNORED_TEXT}, False)


def _parameter(name: str, schema: Schema, required: bool) -> Schema:
    description = schema.pop("description", "")
    return {"name": name, "in": "query", "required": required, "description": description, "schema": schema}


def _shared_parameters() -> dict[str, Schema]:
    word = {"type": "string", "maxLength": 64, "pattern": "^[A-Za-z0-9._:-]*$"}
    return {
        "RequestId": {
            "name": "x-request-id",
            "in": "header",
            "description": "The call's id in logs and errors; one is made where none is sent.",
            "schema": {**word, "minLength": 1, "pattern": "^[A-Za-z0-9._:-]+$"},
        },
        "IdempotencyKey": {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Makes a retry safe, as the field request_id does.",
            "schema": word,
        },
    }


def _own_operation() -> Schema:
    return {
        "operationId": "GetOpenApi",
        "summary": "This document",
        "description": "Needs no token.",
        "security": [],
        "responses": {
            "200": {"description": "This document.", "content": {"application/json": {"schema": {"type": "object"}}}},
            **{
                str(status): {"$ref": f"#/components/responses/Failure{status}"}
                for status in (400, 413, 415, 429, 431, 503)
            },
        },
    }


def _failure(schemas: Schemas) -> Schema:
    details = []
    for name in _DETAILS:
        kind = schemas.pool.FindMessageTypeByName(f"google.rpc.{name}")
        marked = {"properties": {"@type": {"const": f"type.googleapis.com/{kind.full_name}"}}, "required": ["@type"]}
        details.append({"allOf": [marked, schemas.answer(kind)]})
    status = {
        "type": "object",
        "description": "A google.rpc.Status: its numeric code, what was wrong in words, and details.",
        "required": ["code", "message", "details"],
        "additionalProperties": False,
        "properties": {
            "code": {"type": "integer", "minimum": 1, "maximum": 16},
            "message": {"type": "string"},
            "details": {"type": "array", "items": {"anyOf": details}},
        },
    }
    return {
        "type": "object",
        "description": "The envelope of a failure; code is the HTTP status, msg a word of ErrorReason in lower case.",
        "required": ["code", "msg", "data", "error"],
        "additionalProperties": False,
        "properties": {
            "code": {"type": "integer", "minimum": 400, "maximum": 599},
            "msg": {"type": "string", "enum": _reasons(schemas)},
            "data": {"type": "null"},
            "error": status,
        },
    }


def _reasons(schemas: Schemas) -> list[str]:
    values = schemas.pool.FindEnumTypeByName("bridgx.v1.ErrorReason").values
    words = [value.name.removeprefix("ERROR_REASON_").lower() for value in values if value.number]
    return sorted([*words, "canceled"])


def _failure_response(status: int) -> Schema:
    schema = {"allOf": [{"$ref": "#/components/schemas/Failure"}], "properties": {"code": {"const": status}}}
    response: Schema = {"description": _STATUSES[status], "content": {"application/json": {"schema": schema}}}
    if status in (429, 503):
        seconds = {"type": "string", "pattern": "^[0-9]+$"}
        response["headers"] = {"retry-after": {"description": "Seconds to wait, where that helps.", "schema": seconds}}
    return response
