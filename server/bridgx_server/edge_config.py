"""Envoy's configuration: envoy/envoy.yaml with our ports, limits and TLS in it."""

from __future__ import annotations

import base64
import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bridgx_server.tls import FreshTls, TlsMaterial

LOOPBACK = "127.0.0.1"
LISTENER = "listener"
SERVER = "server"

_TRANSPORT = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3."
_CERTIFICATE = "certificate"
_AUTHORITIES = "authorities"


@dataclass(frozen=True)
class EdgeLimits:
    """What the edge lets through; the defaults are those of envoy.yaml.

    A client is an IPv4 address or an IPv6 network of 64 bits. ``burst`` is what a client may send at once, after which it
    has ``requests_per_second``. ``trusted_proxies`` stand before Envoy: their x-forwarded-for tells the client.
    """

    requests_per_second: int = 1000
    burst: int = 3000
    total_requests_per_second: int = 10_000
    connections: int = 10_000
    heap_mib: int = 1024
    header_timeout: float = 10.0  # seconds for the headers of a request
    request_timeout: float = 10.0  # seconds for all of a request
    trusted_proxies: int = 0


@dataclass(frozen=True)
class EdgeTls:
    """TLS of the listener and towards the server; None is plaintext. ``server_name`` stands in the server's certificate."""

    listener: FreshTls | None = None
    server: FreshTls | None = None
    server_name: str = ""


def envoy_directory() -> Path:
    """The folder with envoy.yaml, its Lua and bridgx.binpb: in the installed package, or in the checkout.

    Raises:
        FileNotFoundError: neither has it.
    """
    package = Path(__file__).resolve().parent
    for candidate in (package / "_envoy", package.parent.parent / "envoy"):
        if (candidate / "envoy.yaml").is_file():
            return candidate
    raise FileNotFoundError(f"no envoy.yaml beside {package}")


def render_config(
    server_port: int,
    rest_port: int,
    admin_port: int,
    directory: Path,
    *,
    host: str = LOOPBACK,
    server_host: str = LOOPBACK,
    limits: EdgeLimits | None = None,
    tls: EdgeTls | None = None,
) -> Path:
    """Writes envoy.yaml into `directory` with these ports and absolute paths, and returns where.

    Args:
        server_port: where the gRPC server listens, on `server_host`, which may be a name.
        rest_port: where Envoy shall listen for REST and gRPC, on `host`.
        admin_port: where Envoy's admin interface shall listen; always on loopback.
        directory: made when it does not exist.
        host: the address of the REST listener.
        server_host: the server's address.
        limits: what the edge lets through.
        tls: of the listener and towards the server.
    """
    source = envoy_directory()
    config: dict[str, Any] = yaml.safe_load((source / "envoy.yaml").read_text(encoding="utf-8"))
    directory.mkdir(parents=True, exist_ok=True)
    _set_address(config["admin"]["address"], LOOPBACK, admin_port)
    (listener,) = config["static_resources"]["listeners"]
    _set_address(listener["address"], host, rest_port)
    (cluster,) = config["static_resources"]["clusters"]
    endpoint = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
    _set_address(endpoint["address"], server_host, server_port)
    cluster["type"] = "STATIC" if _is_address(server_host) else "STRICT_DNS"
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    _set_paths(manager, source)
    _set_limits(config, manager, limits or EdgeLimits())
    if tls is not None:
        _set_tls(listener, cluster, directory, tls)
    path = directory / "envoy.yaml"
    private_file(path)
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return path


def private_file(path: Path) -> None:
    """Makes a file that its owner alone reads, or sees that one that is there is such."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    path.chmod(0o600)


def write_tls(directory: Path, tls: EdgeTls) -> None:
    """Writes what Envoy is to use, where it differs from what stands there. Envoy sees it and goes on with it."""
    for side, fresh in ((LISTENER, tls.listener), (SERVER, tls.server)):
        if fresh is not None:
            for name, secret in _secrets(fresh.current()).items():
                _write_secret(_file(directory, side, name), {"name": name, **secret})


def _set_address(address: dict[str, Any], host: str, port: int) -> None:
    address["socket_address"] = {"address": host, "port_value": port}


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _filters(manager: Mapping[str, Any]) -> dict[str, Any]:
    return {item["name"]: item["typed_config"] for item in manager["http_filters"]}


def _set_paths(manager: dict[str, Any], source: Path) -> None:
    filters = _filters(manager)
    for config in filters.values():
        if "default_source_code" in config:
            script = config["default_source_code"]
            script["filename"] = str(source / Path(script["filename"]).name)
    filters["envoy.filters.http.grpc_json_transcoder"]["proto_descriptor"] = str(source / "bridgx.binpb")
    for route in manager["route_config"]["virtual_hosts"][0]["routes"]:
        if "direct_response" in route:
            body = route["direct_response"]["body"]
            body["filename"] = str(source / Path(body["filename"]).name)


def _set_limits(config: dict[str, Any], manager: dict[str, Any], limits: EdgeLimits) -> None:
    monitors = {item["name"]: item["typed_config"] for item in config["overload_manager"]["resource_monitors"]}
    monitors["envoy.resource_monitors.fixed_heap"]["max_heap_size_bytes"] = limits.heap_mib * 1024 * 1024
    connections = monitors["envoy.resource_monitors.global_downstream_max_connections"]
    connections["max_active_downstream_connections"] = limits.connections
    manager["request_headers_timeout"] = f"{limits.header_timeout:g}s"
    manager["request_timeout"] = f"{limits.request_timeout:g}s"
    manager["xff_num_trusted_hops"] = limits.trusted_proxies
    rates = _filters(manager)["envoy.filters.http.local_ratelimit"]
    rates["descriptors"][0]["token_bucket"] = {
        "max_tokens": limits.burst,
        "tokens_per_fill": limits.requests_per_second,
        "fill_interval": "1s",
    }
    rates["token_bucket"] = {
        "max_tokens": max(limits.burst, 2 * limits.total_requests_per_second),
        "tokens_per_fill": limits.total_requests_per_second,
        "fill_interval": "1s",
    }


def _set_tls(listener: dict[str, Any], cluster: dict[str, Any], directory: Path, tls: EdgeTls) -> None:
    write_tls(directory, tls)
    if tls.listener is not None:
        context: dict[str, Any] = {
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_certificate_sds_secret_configs": [_secret(directory, LISTENER, _CERTIFICATE)],
        }
        files = tls.listener.files
        if files.authorities is not None:
            context["validation_context_sds_secret_config"] = _secret(directory, LISTENER, _AUTHORITIES)
        listener["filter_chains"][0]["transport_socket"] = {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": f"{_TRANSPORT}DownstreamTlsContext",
                "common_tls_context": context,
                "require_client_certificate": files.authorities is not None and files.require_client_certificate,
            },
        }
    if tls.server is not None:
        cluster["transport_socket"] = _to_server(tls.server, tls.server_name, directory)


def _to_server(fresh: FreshTls, name: str, directory: Path) -> dict[str, Any]:
    kind = "IP_ADDRESS" if _is_address(name) else "DNS"
    context: dict[str, Any] = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "alpn_protocols": ["h2"],
        "combined_validation_context": {
            "default_validation_context": {
                "match_typed_subject_alt_names": [{"san_type": kind, "matcher": {"exact": name}}]
            },
            "validation_context_sds_secret_config": _secret(directory, SERVER, _AUTHORITIES),
        },
    }
    if fresh.files.certificate is not None:
        context["tls_certificate_sds_secret_configs"] = [_secret(directory, SERVER, _CERTIFICATE)]
    typed: dict[str, Any] = {"@type": f"{_TRANSPORT}UpstreamTlsContext", "common_tls_context": context}
    if not _is_address(name):
        typed["sni"] = name
    return {"name": "envoy.transport_sockets.tls", "typed_config": typed}


def _file(directory: Path, side: str, name: str) -> Path:
    # One secret a file: Envoy takes no more.
    return directory / f"{side}-{name}.yaml"


def _secret(directory: Path, side: str, name: str) -> dict[str, Any]:
    source = {"path_config_source": {"path": str(_file(directory, side, name))}, "resource_api_version": "V3"}
    return {"name": name, "sds_config": source}


def _secrets(material: TlsMaterial) -> dict[str, dict[str, Any]]:
    """The material in Envoy's words. Certificate and key are one secret: Envoy never sees half of a pair."""
    secrets: dict[str, dict[str, Any]] = {}
    if material.certificate:
        pair = {
            "certificate_chain": _inline(material.certificate),
            "private_key": _inline(material.key),
        }
        secrets[_CERTIFICATE] = {"tls_certificate": pair}
    if material.authorities:
        secrets[_AUTHORITIES] = {"validation_context": {"trusted_ca": _inline(material.authorities)}}
    return secrets


def _inline(pem: bytes) -> dict[str, str]:
    return {"inline_bytes": base64.b64encode(pem).decode("ascii")}


def _write_secret(path: Path, secret: dict[str, Any]) -> None:
    text = yaml.safe_dump({"resources": [{"@type": f"{_TRANSPORT}Secret", **secret}]})
    if path.exists() and path.read_text(encoding="ascii") == text:
        return
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(text)
    fresh.replace(path)
