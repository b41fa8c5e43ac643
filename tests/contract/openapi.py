"""The committed OpenAPI document, and whether an answer is what it says."""

from __future__ import annotations

import copy
import functools
import json
from typing import Any

import httpx
import jsonschema_rs
from bridgx_server.edge_config import envoy_directory

FILE = envoy_directory() / "openapi.json"
DOCUMENT: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))

# Details of failures stand beside an @type that their own schemas do not know.
_OPEN = {"ErrorInfo", "BadRequest", "FieldViolation", "RetryInfo", "RequestInfo", "LocalizedMessage"}


@functools.cache
def _components() -> dict[str, Any]:
    """The document's schemas, closed: a key that the document does not know is a mistake in it or in the answer."""
    schemas = copy.deepcopy(DOCUMENT["components"]["schemas"])
    for name, schema in schemas.items():
        if name not in _OPEN and "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return {"schemas": schemas, "responses": DOCUMENT["components"]["responses"]}


@functools.cache
def validator(method: str, path: str, status: int) -> Any:
    """What the body of that answer must be."""
    response = DOCUMENT["paths"][path][method.lower()]["responses"][str(status)]
    if "$ref" in response:
        response = DOCUMENT["components"]["responses"][response["$ref"].rpartition("/")[2]]
    (media,) = response["content"].values()
    return jsonschema_rs.validator_for({"components": _components(), **media["schema"]}, validate_formats=True)


@functools.cache
def body_validator(path: str) -> Any:
    """What the body of a POST must be."""
    schema = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return jsonschema_rs.validator_for({"components": {"schemas": DOCUMENT["components"]["schemas"]}, **schema})


def conforms(answer: httpx.Response) -> None:
    """Fails where an answer is not what the document says. Paths that the document does not know are none of its business."""
    path, method = answer.request.url.path, answer.request.method
    operation = DOCUMENT["paths"].get(path, {}).get(method.lower())
    if operation is None:
        assert answer.status_code in (400, 404, 405)
        return
    assert str(answer.status_code) in operation["responses"], (method, path, answer.status_code, answer.text)
    if answer.headers["content-type"] == "application/json":
        try:
            validator(method, path, answer.status_code).validate(answer.json())
        except jsonschema_rs.ValidationError as error:
            raise AssertionError(f"{method} {path}: {error}") from None
