"""Generates everything that comes from the protos: the Python stubs, what Envoy reads, and the OpenAPI document.

`make generate` writes into this checkout. The output depends on the protos and on the pinned versions of
grpcio-tools and mypy-protobuf alone, so that a test can tell when what is committed is stale.

Imports are not fetched from a network: google/api and google/rpc come from the googleapis-common-protos
distribution, google/protobuf from grpcio-tools, and buf/validate/validate.proto is taken as a descriptor out of the
protovalidate distribution, whose Python package has no .proto file.
"""

from __future__ import annotations

import importlib
import importlib.resources
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import google.api
from google.api import annotations_pb2
from google.api.http_pb2 import HttpRule
from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, field_mask_pb2, timestamp_pb2
from grpc_tools import protoc
from protovalidate._gen.buf.validate import validate_pb

REPOSITORY = Path(__file__).resolve().parent.parent
PROTOS = REPOSITORY / "protos"
PYTHON = Path("clients/python/src")
ENVOY = Path("envoy")

_VALIDATE = "buf/validate/validate.proto"
_HTTP_METHODS = ("get", "put", "post", "delete", "patch")


class Route(NamedTuple):
    """One way to call an operation over REST."""

    method: str
    path: str
    operation: str  # "bridgx.v1.ClusterService.CreateCluster"
    data: str  # the JSON key that REST unwraps; empty where the whole message is the data
    streams: bool
    reads: (
        bool  # its first binding is a GET, as the Python client has it: a subnet is made by GET, too, but by POST first
    )


def proto_files() -> list[str]:
    """The names of our own files, as an import would write them."""
    return sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))


def run_protoc(arguments: Sequence[str], scratch: Path) -> None:
    """Runs protoc with every import on its path.

    Args:
        arguments: what to make, and of which files.
        scratch: a directory for the descriptors that have no .proto file.

    Raises:
        RuntimeError: protoc refused; it has said why on standard error.
    """
    imports = scratch / "imports.binpb"
    imports.write_bytes(_validate_descriptors().SerializeToString(deterministic=True))
    googleapis = Path(next(iter(google.api.__path__))).parent.parent
    command = [
        "protoc",
        f"--proto_path={PROTOS}",
        f"--proto_path={googleapis}",
        f"--proto_path={importlib.resources.files('grpc_tools') / '_proto'}",
        f"--descriptor_set_in={imports}",
        *arguments,
    ]
    if protoc.main(command) != 0:
        raise RuntimeError("protoc failed")


def build_image(scratch: Path) -> descriptor_pb2.FileDescriptorSet:
    """Our files, their imports and their comments, as buf and the reference pages read them."""
    path = scratch / "image.binpb"
    run_protoc(["--include_imports", "--include_source_info", f"--descriptor_set_out={path}", *proto_files()], scratch)
    return descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes())


def routes(image: descriptor_pb2.FileDescriptorSet) -> list[Route]:
    """Every REST route of the image, by path and method."""
    return sorted(_routes(image), key=lambda route: (route.path, route.method))


def generate(root: Path) -> None:
    """Writes all generated files below `root`, laid out as in the repository."""
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        image = build_image(scratch)
        _write_python(root / PYTHON, image, scratch)
        _write_envoy(root / ENVOY, image)


def _validate_descriptors() -> descriptor_pb2.FileDescriptorSet:
    validate = descriptor_pb2.FileDescriptorProto.FromString(validate_pb.desc().proto.to_binary())
    imported = (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2)
    by_name = {module.DESCRIPTOR.name: module.DESCRIPTOR for module in imported}
    files = []
    for dependency in validate.dependency:
        file = descriptor_pb2.FileDescriptorProto()
        by_name[dependency].CopyToProto(file)
        files.append(file)
    return descriptor_pb2.FileDescriptorSet(file=[*files, validate])


def _routes(image: descriptor_pb2.FileDescriptorSet) -> Iterator[Route]:
    pool = descriptor_pool.DescriptorPool()
    for file in image.file:
        pool.Add(file)
    for file in image.file:
        for service in file.service:
            for method in service.method:
                if not method.options.HasExtension(annotations_pb2.http):
                    continue
                first = method.options.Extensions[annotations_pb2.http]
                answer = pool.FindMessageTypeByName(method.output_type.lstrip("."))
                for rule in (first, *first.additional_bindings):
                    data = answer.fields_by_name[rule.response_body].json_name if rule.response_body else ""
                    verb, path = _binding(rule)
                    operation = f"{file.package}.{service.name}.{method.name}"
                    yield Route(verb, path, operation, data, method.server_streaming, bool(first.get))


def _binding(rule: HttpRule) -> tuple[str, str]:
    for verb in _HTTP_METHODS:
        if path := getattr(rule, verb):
            return verb.upper(), path
    raise ValueError(f"an HTTP rule of no known method: {rule}")


def _write_python(root: Path, image: descriptor_pb2.FileDescriptorSet, scratch: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    plugin = Path(sys.executable).parent / "protoc-gen-mypy_grpc"
    run_protoc([f"--python_out={root}", f"--pyi_out={root}", *proto_files(), _VALIDATE], scratch)
    run_protoc(
        [
            f"--grpc_python_out={root}",
            f"--plugin=protoc-gen-mypy_grpc={plugin}",
            f"--mypy_grpc_out={root}",
            *(name for name in proto_files() if name.endswith("_service.proto")),
        ],
        scratch,
    )
    (root / "bridgx/v1/__init__.py").write_text(_package(image), encoding="utf-8")
    for package in ("buf", "buf/validate"):
        (root / package / "__init__.py").write_text("", encoding="utf-8")


def _package(image: descriptor_pb2.FileDescriptorSet) -> str:
    names: dict[str, list[str]] = {}
    for file in image.file:
        if file.package != "bridgx.v1":
            continue
        module = file.name.removeprefix("bridgx/v1/").removesuffix(".proto")
        names[f"{module}_pb2"] = sorted([*(m.name for m in file.message_type), *(e.name for e in file.enum_type)])
        stubs = [f"{s.name}{part}" for s in file.service for part in ("Servicer", "Stub")]
        adders = [f"add_{s.name}Servicer_to_server" for s in file.service]
        if stubs:
            names[f"{module}_pb2_grpc"] = sorted(stubs) + adders
    lines = ['"""The messages and stubs of bridgx.v1, in one place. Generated by protos/generate.py."""', ""]
    for module in sorted(names):
        lines += [f"from bridgx.v1.{module} import (", *(f"    {name}," for name in names[module]), ")"]
    lines += ["", "__all__ = ["]
    lines += [f'    "{name}",' for name in sorted(name for group in names.values() for name in group)]
    return "\n".join([*lines, "]", ""])


def _write_envoy(root: Path, image: descriptor_pb2.FileDescriptorSet) -> None:
    root.mkdir(parents=True, exist_ok=True)
    (root / "bridgx.binpb").write_bytes(_without_response_body(image).SerializeToString(deterministic=True))
    table = routes(image)
    streams = _streams(image)
    script = (REPOSITORY / ENVOY / "envelope.lua").read_text(encoding="utf-8")
    script = _between(script, "-- routes", lambda _: _lua_table(table))
    script = _between(script, "-- streams", lambda _: _lua_streams(streams))
    (root / "envelope.lua").write_text(script, encoding="utf-8")
    strict = (REPOSITORY / ENVOY / "strict.lua").read_text(encoding="utf-8")
    strict = _between(strict, "-- shapes", lambda _: _sibling("edge_shapes").tables(image, table))
    (root / "strict.lua").write_text(strict, encoding="utf-8")
    config = (REPOSITORY / ENVOY / "envoy.yaml").read_text(encoding="utf-8")
    config = _between(config, "# services", lambda indent: _yaml_services(image, indent))
    config = _between(config, "# streams", lambda indent: _yaml_streams(streams, indent))
    (root / "envoy.yaml").write_text(config, encoding="utf-8")
    _sibling("openapi").write(root / "openapi.json", image, table)


def _between(text: str, name: str, make: Callable[[str], str]) -> str:
    """The text with what stands between the marks of that name made anew, with the indent that they have."""
    before, rest = text.split(f"{name}: begin\n")
    _, after = rest.split(f"{name}: end\n")
    indent = before.rpartition("\n")[2]
    return f"{before}{name}: begin\n{make(indent)}{indent}{name}: end\n{after}"


def _sibling(name: str) -> Any:
    # That of this folder, whichever checkout it is of: a test compares two.
    for known in ("edge_shapes", "openapi", "openapi_schema"):
        sys.modules.pop(known, None)
    sys.path.insert(0, str(PROTOS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(PROTOS))


def _streams(image: descriptor_pb2.FileDescriptorSet) -> list[str]:
    return sorted(
        f"/{file.package}.{service.name}/{method.name}"
        for file in image.file
        for service in file.service
        for method in service.method
        if method.server_streaming
    )


def _lua_streams(streams: Sequence[str]) -> str:
    return "\n".join(["STREAMS = {", *(f"  [{_quoted(path)}] = true," for path in streams), "}", ""])


def _yaml_services(image: descriptor_pb2.FileDescriptorSet, indent: str) -> str:
    names = sorted(f"{file.package}.{service.name}" for file in image.file for service in file.service)
    return "".join([f"{indent}services:\n", *(f"{indent}  - {name}\n" for name in names)])


def _yaml_streams(streams: Sequence[str], indent: str) -> str:
    return "".join(
        f"{indent}- match: {{path: {path}}}\n{indent}  route: {{cluster: bridgx, timeout: 0s, idle_timeout: 75s}}\n"
        for path in streams
    )


def _lua_table(table: Sequence[Route]) -> str:
    lines = ["ROUTES = {"]
    for path in sorted({route.path for route in table}):
        entries = (
            f"{route.method} = {'STREAM' if route.streams else _quoted(route.data)}"
            for route in table
            if route.path == path
        )
        lines.append(f"  [{_quoted(path)}] = {{{', '.join(entries)}}},")
    return "\n".join([*lines, "}", ""])


def _quoted(text: str) -> str:
    return f'"{text}"'


def _without_response_body(image: descriptor_pb2.FileDescriptorSet) -> descriptor_pb2.FileDescriptorSet:
    # Envoy's transcoder refuses response_body on anything but HttpBody; envelope.lua unwraps instead.
    stripped = descriptor_pb2.FileDescriptorSet()
    stripped.CopyFrom(image)
    for file in stripped.file:
        file.ClearField("source_code_info")
        for service in file.service:
            for method in service.method:
                if method.options.HasExtension(annotations_pb2.http):
                    rule = method.options.Extensions[annotations_pb2.http]
                    for binding in (rule, *rule.additional_bindings):
                        binding.ClearField("response_body")
    return stripped


if __name__ == "__main__":
    generate(REPOSITORY)
