"""Thousands of requests that nobody would send, over REST and gRPC: every one is answered, and none is a fault of ours.

What is tried is the same in each run. BRIDGX_TEST_EXAMPLES=N tries N of each kind, other ones each time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bridgx.v1 as pb
import grpc
import pytest
import requests
import schemathesis
from bridgx import failure_of
from bridgx_server.cloudsim.control_client import ControlClient
from bridgx_server.cloudsim.front import FRONTS
from bridgx_server.demo.system import TOKEN, Running, running
from bridgx_server.settings import Settings
from contract.clusters import PASSWORD, a_network, a_place, template
from contract.conftest import Api, until
from contract.messages import Known, messages
from contract.openapi import DOCUMENT
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import checks
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks as openapi_checks

CLOUDS = ("AlibabaCloud", "AWSCloud")
EXAMPLES = int(os.environ.get("BRIDGX_TEST_EXAMPLES", "0"))
METADATA = [("authorization", f"Bearer {TOKEN}")]
FAULTS = (
    *(grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DATA_LOSS),
    *(grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.CANCELLED),
)
METHOD_OF_KEYS = "/bridgx.v1.TaskService/ExpandCluster"
KEY_RULE = "must have at most 64 characters of letters, digits and ._:-"
CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
]


@dataclass(frozen=True)
class World:
    """A system of its own, with something in it: other tests do not see what is made here."""

    system: Running
    directory: Path
    known: Known


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("bad-input")
    with running(directory) as system:
        ControlClient(system.control_url).delays(boot=[0.05, 0.1], delete=[0.05, 0.1])
        yield World(system, directory, _populated(Api(system.rest_url)))


@pytest.fixture(autouse=True)
def no_fault(world: World) -> Iterator[None]:
    """Nothing in the logs of server and edge says that the test has brought out a fault."""
    server, envoy = world.directory / "server.log", world.directory / "envoy" / "envoy.log"
    seen = server.stat().st_size, envoy.stat().st_size
    yield
    until(lambda: server.read_bytes().endswith(b"\n"))  # a line may be half written
    lines = server.read_bytes()[seen[0] :].decode().splitlines()
    entries = [json.loads(line) for line in lines if line.startswith("{")]
    assert [entry for entry in entries if "exception" in entry or entry["level"] in ("error", "critical")] == []
    assert [line for line in lines if not line.startswith("{")] == []
    words = envoy.read_bytes()[seen[1] :].decode(errors="replace").splitlines()
    assert [line for line in words if "script log" in line or "[critical]" in line] == []


def _populated(api: Api) -> dict[str, list[str]]:
    """Names of what exists, by the fields that hold them."""
    known: dict[str, list[str]] = {
        "password": [PASSWORD],
        "category": ["cloud_efficiency"],
        "task_action": ["EXPAND"],
        "security_group_type": ["normal"],
        "protocol": ["tcp", "all"],
        "direction": ["ingress", "egress"],
        "port_range": ["22/22", "-1/-1"],
        "cidr_ip": ["10.0.0.0/8"],
        "cidr_block": ["172.16.0.0/16", "172.16.32.0/24"],
        "switch_cidr_block": ["172.16.0.0/24"],
        "charge_type": ["PostPaid", "PrePaid"],
        "period_unit": ["Week", "Month"],
        "date": ["2026-01-31"],
        "status": ["running"],
        "vpc_name": ["vpctest"],
        "switch_name": ["first-switch"],
        "security_group_name": ["first-group"],
        "task_name": ["grow"],
        "request_id": ["again"],
        "created_machines": ["keep", "delete"],
    }

    def learn(**values: str) -> None:
        for name, value in values.items():
            known.setdefault(name, []).append(value)

    for cloud in CLOUDS:
        place = a_place(api, cloud)
        network = a_network(api, cloud, place)
        name = api.post("cluster/create", template(cloud, place, network, max_machines=5))
        task_id = api.post("cluster/expand", {"cluster_name": name, "task_name": "grow", "count": 3})
        machine = api.get("instance/describe_all", cluster_name=api.ended(task_id)["cluster_name"])["instance_list"][0]
        key = f"demo-{cloud}"
        learn(
            provider=cloud, account=key, account_key=key, ak=key, name=name, cluster_name=name, task_id=task_id, **place
        )
        learn(
            vpc_id=network["vpc"],
            switch_id=network["subnet_id"],
            instance_id=machine["instance_id"],
            ip=machine["ip_inner"],
        )
        learn(ips=machine["ip_inner"], **network)
    return known


def _settings(examples: int) -> Any:
    return settings(
        max_examples=EXAMPLES or examples,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


# REST, as the OpenAPI document describes it.


def _of_simulated_clouds(part: Any) -> Any:
    """The document without the clouds that are not simulated: those would be the real ones."""
    if isinstance(part, dict):
        return {key: _of_simulated_clouds(value) for key, value in part.items()}
    if isinstance(part, list):
        return (
            [name for name in part if name in FRONTS]
            if set(FRONTS) <= set(map(str, part))
            else list(map(_of_simulated_clouds, part))
        )
    return part


SCHEMA = schemathesis.openapi.from_dict(_of_simulated_clouds(DOCUMENT))
REST = {operation.ok().label: operation.ok() for operation in SCHEMA.get_all_operations()}


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["well-formed", "malformed"])
@pytest.mark.parametrize("label", REST)
def test_rest_answers_everything_in_the_envelope(world: World, label: str, mode: GenerationMode) -> None:
    operation = REST[label]
    session = requests.Session()

    @_settings(20)
    @given(operation.as_strategy(generation_mode=mode), st.data())
    def answered(case: Any, data: st.DataObject) -> None:
        for part in (case.body, case.query):
            _name_what_exists(part, data, world.known)
        case.call_and_validate(
            base_url=world.system.rest_url,
            session=session,
            headers={"Authorization": f"Bearer {TOKEN}"},
            checks=CHECKS,
            timeout=60,
        )

    if label.endswith("/openapi.json") and mode is GenerationMode.NEGATIVE:
        with pytest.raises(Unsatisfiable):  # it takes nothing that could be malformed
            answered()
    else:
        answered()


def _name_what_exists(part: Any, data: st.DataObject, known: Known) -> None:
    """Lets some of the values be names of what exists, so that more than the first check is reached."""
    if isinstance(part, dict):
        for key, value in part.items():
            if isinstance(value, (dict, list)):
                _name_what_exists(value, data, known)
            elif key in known and data.draw(st.integers(0, 3)):
                part[key] = data.draw(st.sampled_from(list(known[key])))
    elif isinstance(part, list):
        for item in part:
            _name_what_exists(item, data, known)


# gRPC, as the protos describe it.

METHODS = {
    method.full_name: method
    for module in vars(pb).values()
    if hasattr(module, "DESCRIPTOR") and hasattr(module.DESCRIPTOR, "services_by_name")
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}


@pytest.fixture(scope="module")
def channel(world: World) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{world.system.grpc_port}") as channel:
        yield channel


@pytest.mark.parametrize("name", METHODS)
def test_grpc_answers_every_message_with_itself_or_a_reason(world: World, channel: grpc.Channel, name: str) -> None:
    method = METHODS[name]
    call = _call(channel, method)

    @_settings(60)
    @given(messages(method.input_type, world.known))
    def answered(request: Message) -> None:
        try:
            call(request)
        except grpc.RpcError as error:
            _not_a_fault(error)

    answered()


def _not_a_fault(error: grpc.RpcError) -> None:
    failure = failure_of(error)
    assert failure.code not in FAULTS, failure
    assert failure.reason, failure


@pytest.mark.parametrize("name", METHODS)
def test_grpc_refuses_bytes_that_are_no_message(world: World, channel: grpc.Channel, name: str) -> None:
    method = METHODS[name]
    call = _call(channel, method, serialize=bytes)

    @_settings(20)
    @given(st.binary(max_size=200))
    def answered(content: bytes) -> None:
        try:
            call(content)
        except grpc.RpcError as error:
            _not_a_fault(error)

    answered()


def test_two_keys_of_a_retry_are_refused(channel: grpc.Channel) -> None:
    call = channel.unary_unary(METHOD_OF_KEYS, lambda message: message.SerializeToString())
    request = pb.ExpandClusterRequest(cluster_name="nobody's", task_name="grow", count=1)
    with pytest.raises(grpc.RpcError) as refused:
        call(request, metadata=[*METADATA, ("idempotency-key", "a"), ("idempotency-key", "b")], timeout=60)
    assert failure_of(refused.value).fields == {"Idempotency-Key": KEY_RULE}


def test_bytes_that_are_no_message_use_up_no_connection(channel: grpc.Channel) -> None:
    call = _call(channel, METHODS["bridgx.v1.TaskService.GetTask"], serialize=bytes)
    for _ in range(2 * Settings.model_fields["connection_streams"].default):
        with pytest.raises(grpc.RpcError) as refused:
            call(b"\xff")
        assert failure_of(refused.value).code is grpc.StatusCode.INVALID_ARGUMENT


def _call(channel: grpc.Channel, method: MethodDescriptor, serialize: Any = None) -> Callable[[Any], Any]:
    path = f"/{method.containing_service.full_name}/{method.name}"
    answer = message_factory.GetMessageClass(method.output_type)
    serialize = serialize or (lambda message: message.SerializeToString())
    if method.server_streaming:
        stream = channel.unary_stream(path, serialize, answer.FromString)
        return lambda request: list(stream(request, metadata=METADATA, timeout=60))
    return lambda request: channel.unary_unary(path, serialize, answer.FromString)(
        request, metadata=METADATA, timeout=60
    )


def test_the_system_still_does_its_work(world: World) -> None:
    api = Api(world.system.rest_url)
    place = a_place(api, "AlibabaCloud")
    name = api.post("cluster/create", template("AlibabaCloud", place, a_network(api, "AlibabaCloud", place)))
    task = api.ended(api.post("cluster/expand", {"cluster_name": name, "task_name": "after", "count": 2}))
    assert (task["status"], task["running"]) == ("SUCCESS", 2)
