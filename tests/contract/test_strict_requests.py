"""What an operation does not know is refused at the edge, by its name, and reaches no server: on every operation.

BRIDGX_TEST_EXAMPLES=N tries N bodies in the comparison with a second reader, other ones each time.
"""

from __future__ import annotations

import copy
import http.client
import json
import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import bridgx.v1 as pb
import httpx
import pytest
from contract.fake_backend import Anything, Edge
from contract.openapi import conforms
from contract.requests_of import Operation, everything, message_of, operations, reads_as
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("BRIDGX_TEST_EXAMPLES", "0"))
OPERATIONS = sorted(operations())
POSTS = [operation for operation in OPERATIONS if operation.method == "POST"]
GETS = [operation for operation in OPERATIONS if operation.method == "GET"]
SHRINK = "/api/v1/cluster/shrink"
CREATE = "/api/v1/cluster/create"
LIST = "/api/v1/instance/describe_all"


def labels(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


class World:
    """Envoy before a server that answers anything."""

    def __init__(self, edge: Edge, server: Anything, client: httpx.Client) -> None:
        self.edge = edge
        self.server = server
        self.client = client

    def passes(self, method: str, path: str, **what: Any) -> tuple[str, bytes]:
        """The call and the message that the server got."""
        before = len(self.server.calls)
        answer = self.client.request(method, path, **what)
        assert answer.status_code == 200, answer.text
        ((call, message),) = self.server.calls[before:]
        return call, message

    def refused(self, method: str, path: str, **what: Any) -> dict[str, str]:
        """The refused fields and why, of a 400 that reached no server."""
        before = len(self.server.calls)
        answer = self.client.request(method, path, **what)
        assert len(self.server.calls) == before
        assert answer.status_code == 400, answer.text
        assert len(answer.content) < 7 * 1024
        conforms(answer)
        body = answer.json()
        info, bad, request = body["error"]["details"]
        assert (body["msg"], info["reason"], info["domain"]) == ("param_invalid", "param_invalid", "bridgx")
        assert request["requestId"] == answer.headers["x-request-id"]
        violations = bad["fieldViolations"]
        said = [": ".join(filter(None, (row["field"], row["description"]))) for row in violations]
        assert body["error"]["message"] == "; ".join(said)
        return {row["field"]: row["description"] for row in violations}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    server = Anything()
    with Edge(tmp_path_factory.mktemp("strict"), server).running() as edge:
        with httpx.Client(base_url=edge.url, timeout=60) as client:
            yield World(edge, server, client)
        assert edge.envoy.log_file
        log = edge.envoy.log_file.read_text(errors="replace").splitlines()
        assert [line for line in log if "script log" in line or "[error]" in line] == []


# Every operation.


@pytest.mark.parametrize("operation", POSTS, ids=labels)
def test_every_member_of_a_body_arrives(world: World, operation: Operation) -> None:
    body = everything(operation.request)
    call, message = world.passes("POST", operation.path, json=body)
    expected = message_of(operation.request, body)
    assert (call, type(expected).FromString(message)) == (operation.call, expected)


@pytest.mark.parametrize("operation", POSTS, ids=labels)
def test_an_unknown_member_is_named_with_the_nearest_at_every_level(world: World, operation: Operation) -> None:
    tried = 0
    for path, misspelt, near, body in _misspelt(everything(operation.request)):
        refused = world.refused("POST", operation.path, json=body)
        assert refused == {path + misspelt: f"is unknown; the nearest known name is {path}{near}"}
        tried += 1
    assert tried or not operation.request.fields


@pytest.mark.parametrize("operation", POSTS, ids=labels)
def test_a_query_of_a_post_is_refused_and_its_value_not_repeated(world: World, operation: Operation) -> None:
    for name, value in {**everything(operation.request), "account_secret": "s3cr3t-value"}.items():
        query = {name: value if isinstance(value, (str, int)) else "s3cr3t-value"}
        answer = world.client.post(operation.path, params=query, json=everything(operation.request))
        assert "s3cr3t" not in answer.text
        refused = world.refused("POST", operation.path, params=query, json=everything(operation.request))
        assert refused == {name: "must stand in the body: this operation takes no query"}


@pytest.mark.parametrize("operation", GETS, ids=labels)
def test_every_parameter_of_a_query_arrives(world: World, operation: Operation) -> None:
    body = everything(operation.request)
    call, message = world.passes("GET", operation.path, params=body)
    expected = message_of(operation.request, body)
    assert (call, type(expected).FromString(message)) == (operation.call, expected)


@pytest.mark.parametrize("operation", GETS, ids=labels)
def test_an_unknown_parameter_is_named_with_the_nearest(world: World, operation: Operation) -> None:
    known = everything(operation.request)
    for name in known:
        refused = world.refused("GET", operation.path, params={**known, f"{name}x": "1"})
        assert refused == {f"{name}x": f"is unknown; the nearest known name is {name}"}
        assert set(world.refused("GET", operation.path, params={f"{name}[]": "1"})) == {f"{name}[]"}


@pytest.mark.parametrize("operation", GETS, ids=labels)
def test_a_parameter_given_twice_is_a_list_or_refused(world: World, operation: Operation) -> None:
    for name in everything(operation.request):
        twice = [(name, "running"), (name, "pending")]
        if name == "status":
            _, message = world.passes("GET", operation.path, params=twice)
            assert pb.ListInstancesRequest.FromString(message).status == "running,pending"
        else:
            assert world.refused("GET", operation.path, params=twice) == {name: "is given twice"}


def _misspelt(body: dict[str, Any]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """The path, the wrong and the right name, and the body with the wrong one, for every object in a body."""
    for path, reach in _objects(body, "", []):
        names = sorted(_at(body, reach))
        for name in names[:1] + names[-1:]:
            wrong = copy.deepcopy(body)
            there = _at(wrong, reach)
            misspelt = f"{name}x"
            there[misspelt] = there.pop(name)
            yield path, misspelt, name, wrong


def _at(body: Any, reach: list[Any]) -> Any:
    for step in reach:
        body = body[step]
    return body


def _objects(value: Any, path: str, reach: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    if isinstance(value, dict):
        if set(value) == {"key"}:
            return  # a map: its keys are the caller's
        yield path, reach
        for name, member in value.items():
            if isinstance(member, dict):
                yield from _objects(member, f"{path}{name}.", [*reach, name])
            elif isinstance(member, list):
                yield from _objects(member[0], f"{path}{name}[0].", [*reach, name, 0])


# Bodies.

NOT_JSON = {
    "single quotes": "{'ips': ['10.0.0.1']}",
    "a comma before the end": '{"count": 1,}',
    "a comma before the end of a list": '{"ips": ["10.0.0.1",]}',
    "a bare name": "{count: 1}",
    "text after the end": '{"count": 1} {"count": 2}',
    "a comma after the end": '{"count": 1},',
    "half": '{"count": 1',
    "half a string": '{"task_name": "a',
    "half a list": '{"ips": ["10.0.0.1"',
    "half a name": '{"cou',
    "no value": '{"count":}',
    "no colon": '{"count" 1}',
    "two commas": '{"count": 1,, "task_name": "a"}',
    "a leading comma": '{, "count": 1}',
    "a leading zero": '{"count": 01}',
    "a plus": '{"count": +1}',
    "a bare fraction": '{"count": .5}',
    "a fraction without end": '{"count": 1.}',
    "an exponent without end": '{"count": 1e}',
    "hexadecimal": '{"count": 0x1}',
    "not a number": '{"count": NaN}',
    "infinity": '{"count": -Infinity}',
    "an escape that is none": r'{"task_name": "\x41"}',
    "half an escape": r'{"task_name": "\u00"}',
    "half a surrogate": r'{"task_name": "\ud800"}',
    "a line break in a string": '{"task_name": "a\nb"}',
    "a NUL in a string": '{"task_name": "a\x00b"}',
    "a comment": '{"count": 1 /* one */}',
    "other spaces": '{"count":\x0b1}',
    "a mark of byte order": '\ufeff{"count": 1}',
    "capitals": '{"termination_policy": NULL}',
    "a word": '{"count": one}',
    "only spaces": "  \n ",
    "undefined": '{"ips": undefined}',
}


@pytest.mark.parametrize("text", NOT_JSON.values(), ids=NOT_JSON)
def test_what_is_not_json_is_refused(world: World, text: str) -> None:
    assert set(world.refused("POST", SHRINK, content=text.encode())) == {"body"}


def test_the_place_is_told_and_what_stands_there_is_not(world: World) -> None:
    refused = world.refused("POST", SHRINK, content=b"{\n  \"task_name\": 's3cr3t'}")
    assert refused == {"body": "is not JSON: line 2, column 16: a value must follow"}
    refused = world.refused("POST", SHRINK, content=b'{"ips": ["10.0.0.1",]}')
    assert refused == {"body": "is not JSON: line 1, column 21: a comma stands before ]"}


@pytest.mark.parametrize("content", [b'{"task_name": "\xff"}', b'{"task_name": "\xed\xa0\x80"}', b'{"\xc3": 1}'])
def test_what_is_not_utf8_is_refused(world: World, content: bytes) -> None:
    assert world.refused("POST", SHRINK, content=content)


@pytest.mark.parametrize(
    ("path", "body", "field", "why"),
    [
        (SHRINK, {"ip": ["10.0.0.1"], "count": 1}, "ip", "is unknown; the nearest known name is ips"),
        (SHRINK, {"ips": [None]}, "ips[0]", "must not be null"),
        (SHRINK, {"ips": ["10.0.0.1", None]}, "ips[1]", "must not be null"),
        (SHRINK, {"instance_ids": [None]}, "instance_ids[0]", "must not be null"),
        (SHRINK, {"ips": None, "count": 1}, "ips", "must not be null: leave it out, or send a list"),
        (SHRINK, {"ips": "10.0.0.1"}, "ips", "must be a list"),
        (SHRINK, {"ips": {}}, "ips", "must be a list"),
        (SHRINK, {"ips": [["10.0.0.1"]]}, "ips[0]", "must be a string"),
        (SHRINK, {"ips": [7]}, "ips[0]", "must be a string"),
        (SHRINK, {"task_name": 7}, "task_name", "must be a string"),
        (SHRINK, {"task_name": True}, "task_name", "must be a string"),
        (SHRINK, {"task_name": {}}, "task_name", "must be a string"),
        (SHRINK, {"count": "many"}, "count", "must be a whole number from -2147483648 to 2147483647"),
        (SHRINK, {"count": 1.5}, "count", "must be a whole number from -2147483648 to 2147483647"),
        (SHRINK, {"count": 2**31}, "count", "must be a whole number from -2147483648 to 2147483647"),
        (SHRINK, {"count": True}, "count", "must be a whole number from -2147483648 to 2147483647"),
        (SHRINK, {"count": [1]}, "count", "must be a whole number from -2147483648 to 2147483647"),
        (CREATE, {"tags": {"team": None}}, "tags['team']", "must not be null"),
        (CREATE, {"tags": {"team": 7}}, "tags['team']", "must be a string"),
        (CREATE, {"tags": "team"}, "tags", "must be an object"),
        (CREATE, {"tags": ["team"]}, "tags", "must be an object"),
        (CREATE, {"disks": {"data_disk": [{}, None]}}, "disks.data_disk[1]", "must not be null"),
        (CREATE, {"disks": {"data_disk": {}}}, "disks.data_disk", "must be a list"),
        (CREATE, {"disks": []}, "disks", "must be an object"),
        ("/api/v1/token/create", {"all_accounts": "true"}, "all_accounts", "must be true or false"),
        ("/api/v1/token/create", {"all_accounts": 1}, "all_accounts", "must be true or false"),
        (
            "/api/v1/cluster/update",
            {"image": "a", "desc": "b"},
            "image",
            "is unknown; the nearest known name is desc",
        ),
    ],
)
def test_what_is_not_of_its_kind_is_named(world: World, path: str, body: dict[str, Any], field: str, why: str) -> None:
    assert world.refused("POST", path, json=body) == {field: why}


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b'{"count": 1, "count": 1}', "count"),
        (b'{"ips": ["10.0.0.1"], "ips": ["10.0.0.2"]}', "ips"),
        (b'{"": 1}', "''"),
        (b'{"": 1, "": 2}', "''"),
    ],
)
def test_a_member_given_twice_or_without_a_name_is_refused(world: World, content: bytes, field: str) -> None:
    assert set(world.refused("POST", SHRINK, content=content)) == {field}


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b'{"disks": {}, "disks": {"data_disk": []}}', "disks"),
        (b'{"disks": {"system_disk": {"size": 1, "size": 2}}}', "disks.system_disk.size"),
        (b'{"tags": {"a": "1", "a": "1"}}', "tags['a']"),
    ],
)
def test_so_it_is_at_every_level_and_in_maps(world: World, content: bytes, field: str) -> None:
    assert world.refused("POST", CREATE, content=content) == {field: "is given twice"}


def test_a_key_of_a_map_given_twice_in_two_spellings_is_refused(world: World) -> None:
    assert world.refused("POST", CREATE, content=rb'{"tags": {"a": "1", "\u0061": "2"}}')


def test_a_name_in_escapes_is_refused(world: World) -> None:
    refused = world.refused("POST", SHRINK, content=rb'{"ip\u0073": ["10.0.0.1"]}')
    assert refused == {r"ip\u0073": "must be written without escapes in its name"}


@pytest.mark.parametrize("content", [b"[]", b"null", b"7", b'"{}"', b"true"])
def test_a_body_that_is_no_object_is_refused(world: World, content: bytes) -> None:
    assert world.refused("POST", SHRINK, content=content) == {"body": "must be an object"}


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        (SHRINK, "", pb.ShrinkClusterRequest()),
        (SHRINK, " \t\r\n{ } \n", pb.ShrinkClusterRequest()),
        (SHRINK, '{"count": "7", "task_name": null}', pb.ShrinkClusterRequest(count=7)),
        (SHRINK, '{"count": 1e1}', pb.ShrinkClusterRequest(count=10)),
        (SHRINK, '{"count": 7.0, "ips": []}', pb.ShrinkClusterRequest(count=7)),
        (SHRINK, r'{"task_name": "\u00e9\n\ud83d\udca3é集"}', pb.ShrinkClusterRequest(task_name="é\n\U0001f4a3é集")),
        (CREATE, '{"tags": null, "disks": null}', pb.CreateClusterRequest()),
        (CREATE, r'{"tags": {"\u96c6": "a", "k": ""}}', pb.CreateClusterRequest(tags={"集": "a", "k": ""})),
    ],
)
def test_what_json_allows_is_taken(world: World, path: str, text: str, expected: Any) -> None:
    _, message = world.passes("POST", path, content=text.encode())
    assert type(expected).FromString(message) == expected


def test_all_faults_are_told_up_to_twenty_and_the_rest_counted(world: World) -> None:
    refused = world.refused("POST", SHRINK, json={"ips": [None] * 10_000})
    assert list(refused)[:20] == [f"ips[{index}]" for index in range(20)]
    assert refused[""] == "and 9980 more"


@pytest.mark.parametrize("letter", ["x", '"', "\\", "é", "集", "\U0001f4a3", "\x7f"])
def test_an_error_is_small_whatever_it_repeats(world: World, letter: str) -> None:
    names = [f"{letter * 200}{number}" for number in range(60)]
    for ensure_ascii in (True, False):
        content = json.dumps(dict.fromkeys(names, 1), ensure_ascii=ensure_ascii).encode()
        assert "more" in world.refused("POST", SHRINK, content=content)[""]
        tags = json.dumps({"tags": dict.fromkeys(names)}, ensure_ascii=ensure_ascii).encode()
        assert "more" in world.refused("POST", CREATE, content=tags)[""]
    query = urlencode({f"{letter * 20}{number}": "1" for number in range(40)})
    assert "more" in world.refused("GET", LIST, params=query)[""]


def test_depth_and_values_are_bounded(world: World) -> None:
    assert world.refused("POST", SHRINK, content=b"[" * 500_000) == {"body": "has more than 32 levels"}
    many = b'{"x": [' + b"1," * 400_000 + b"1]}"
    assert world.refused("POST", SHRINK, content=many) == {"body": "has more than 30000 values and escapes"}
    escapes = b'{"task_name": "' + b"\\n" * 400_000 + b'"}'
    assert world.refused("POST", SHRINK, content=escapes) == {"body": "has more than 30000 values and escapes"}
    ids = [f"i-{number:0100}" for number in range(9_000)]
    _, message = world.passes("POST", SHRINK, json={"instance_ids": ids})
    assert len(pb.ShrinkClusterRequest.FromString(message).instance_ids) == 9_000


def test_a_refusal_leaves_the_connection_open(world: World) -> None:
    connection = http.client.HTTPConnection(world.edge.address, timeout=60)
    connection.connect()
    first = connection.sock
    for _ in range(3):
        connection.request("POST", SHRINK, body='{"ip": 1}')
        answer = connection.getresponse()
        assert (answer.status, answer.read()[:12]) == (400, b'{"code":400,')
    assert connection.sock is first
    connection.close()


# Queries.


def test_what_begins_with_an_underscore_or_is_empty_is_ignored(world: World) -> None:
    query = "_=1720000000&_a=b&%5Fc=d&page_size=&nonsense=&nothing&&cluster_name=a&="
    _, message = world.passes("GET", f"{LIST}?{query}")
    assert pb.ListInstancesRequest.FromString(message) == pb.ListInstancesRequest(cluster_name="a")
    _, message = world.passes("POST", f"{SHRINK}?_=1720000000&count=&x", json={"count": 3})
    assert pb.ShrinkClusterRequest.FromString(message) == pb.ShrinkClusterRequest(count=3)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("cluster%5Fname=a%20b+c", pb.ListInstancesRequest(cluster_name="a b c")),
        ("status=running,deleted", pb.ListInstancesRequest(status="running,deleted")),
        (
            "status=running&account=a&status=pending,lost",
            pb.ListInstancesRequest(status="running,pending,lost", account="a"),
        ),
        ("cluster_name=a%26status%3Drunning", pb.ListInstancesRequest(cluster_name="a&status=running")),
        ("cluster_name=a=b", pb.ListInstancesRequest(cluster_name="a=b")),
        ("cluster_name=%E9%9B%86", pb.ListInstancesRequest(cluster_name="集")),
    ],
)
def test_names_are_read_decoded_and_values_arrive(world: World, query: str, expected: pb.ListInstancesRequest) -> None:
    _, message = world.passes("GET", f"{LIST}?{query}")
    assert pb.ListInstancesRequest.FromString(message) == expected


@pytest.mark.parametrize(
    ("query", "refused"),
    [
        ("cluster=nope", {"cluster": "is unknown; the nearest known name is cluster_name"}),
        ("status[]=running", {"status[]": "is unknown; the nearest known name is status"}),
        ("status%5B%5D=running", {"status[]": "is unknown; the nearest known name is status"}),
        ("Status=running", {"Status": "is unknown; the nearest known name is status"}),
        ("clusterName=a", {"clusterName": "is unknown; the nearest known name is cluster_name"}),
        ("cluster_name=a&cluster%5Fname=b", {"cluster_name": "is given twice"}),
        ("cluster_name=a&cluster_name=a", {"cluster_name": "is given twice"}),
        ("cluster_name=%FF", {"cluster_name": "is not UTF-8"}),
        ("cluster_name.x=a", {"cluster_name.x": "is unknown; the nearest known name is cluster_name"}),
        ("=a", {"''": "is unknown; the nearest known name is ip"}),
        ("a%00%0Ab=1", {"a??b": "is unknown; the nearest known name is ip"}),
    ],
)
def test_queries_that_say_something_else(world: World, query: str, refused: dict[str, str]) -> None:
    assert world.refused("GET", f"{LIST}?{query}") == refused


def test_a_time_is_one_parameter(world: World) -> None:
    _, message = world.passes("GET", "/api/v1/audit/list?since=2021-11-02T06:09:38Z")
    assert pb.ListAuditRecordsRequest.FromString(message).since.ToJsonString() == "2021-11-02T06:09:38Z"
    assert set(world.refused("GET", "/api/v1/audit/list?since.seconds=5")) == {"since.seconds"}


def test_a_body_of_a_get_is_refused(world: World) -> None:
    refused = world.refused("GET", LIST, content=b'{"cluster_name": "a"}')
    assert refused == {"body": "must be empty: a GET takes its parameters from the query"}


def test_a_subnet_is_made_by_query_and_by_body_alone(world: World) -> None:
    fields = everything(pb.CreateSubnetRequest.DESCRIPTOR)
    _, by_get = world.passes("GET", "/api/v1/subnet/create", params=fields)
    _, by_post = world.passes("POST", "/api/v1/subnet/create", json=fields)
    assert by_get == by_post
    assert set(world.refused("POST", "/api/v1/subnet/create", params=fields)) == set(fields)


def test_what_the_manuals_examples_send_beside_its_tables_is_accepted(world: World) -> None:
    group = {"vpc_id": "v", "security_group_name": "g", "page_size": 15, "rules": [{"protocol": "tcp"}]}
    _, message = world.passes("POST", "/api/v1/security_group/create_with_rule", json=group)
    expected = pb.CreateSecurityGroupRequest(vpc_id="v", security_group_name="g", rules=[{"protocol": "tcp"}])
    assert pb.CreateSecurityGroupRequest.FromString(message) == expected
    query = "region_id=r&vpc_id=v&security_group_name=&spage_number=1&page_size=15"
    _, message = world.passes("GET", f"/api/v1/security_group/describe?{query}")
    expected_list = pb.ListSecurityGroupsRequest(region_id="r", vpc_id="v", page_size=15)
    assert pb.ListSecurityGroupsRequest.FromString(message) == expected_list
    _, message = world.passes("GET", "/api/v1/instance/usage_total?cluster_name=c&date=2021-10-11&page_size=15")
    expected_usage = pb.GetUsageTotalRequest(cluster_name="c", date="2021-10-11")
    assert pb.GetUsageTotalRequest.FromString(message) == expected_usage
    _, message = world.passes("POST", CREATE, json={"charge_type": "PostPaid"})
    assert pb.CreateClusterRequest.FromString(message).charge_type == "PostPaid"


# Keys.


def test_two_keys_of_a_retry_are_refused(world: World) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    assert world.refused("POST", SHRINK, json={}, headers=headers) == {"Idempotency-Key": "is given twice"}
    assert set(world.refused("POST", SHRINK, json={}, headers={"Idempotency-Key": "é".encode()})) == {"Idempotency-Key"}


# A second opinion.

TEXTS = st.sampled_from(
    ["", "a", "é", "集", '"', "\\", "/", "\n", "\U0001f4a3", "1", "null", "10.0.0.1", "\x7f", "\u2028"]
)
NUMBERS = st.one_of(
    st.integers(-3, 12),
    st.sampled_from([2**31 - 1, 2**31, -(2**31), 1.5, 1.0, 1e3, 1e300, -0.0]),
)
SCALARS = st.one_of(TEXTS, NUMBERS, st.booleans(), st.none())
NAMES = st.sampled_from(
    [
        *pb.CreateClusterRequest.DESCRIPTOR.fields_by_name,
        "category",
        "size",
        "system_disk",
        "data_disk",
        "vpc",
        "x",
        "ips",
    ]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.one_of(NAMES, TEXTS), inner, max_size=3)),
    max_leaves=6,
)
SIGNS = st.sampled_from([*"{}[]:,\"\\ \n\t01-+.eE/u'nx", "null", "true", "\x00", "\u00e9", "\ufeff"])


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Bodies of cluster/create: right, of other kinds in places, and written wrongly."""
    body = everything(pb.CreateClusterRequest.DESCRIPTOR)
    members = draw(st.sets(st.sampled_from(sorted(body)), max_size=6))
    body = {name: body[name] for name in sorted(members)}
    for name in draw(st.sets(st.sampled_from([*sorted(members), "x", "disks"]), max_size=2)):
        body[name] = draw(VALUES)
    text = json.dumps(
        body,
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from([None, None, 1])),
        separators=draw(st.sampled_from([None, (",", ":"), (" , ", "\t:\r\n")])),
    )
    for _ in range(draw(st.integers(0, 2))):
        start = draw(st.integers(0, len(text)))
        length = draw(st.integers(0, 2))
        text = text[:start] + draw(st.one_of(st.just(""), SIGNS)) + text[start + length :]
    return text


def test_it_takes_what_a_strict_reader_takes_and_reads_the_same(world: World) -> None:
    taken = refused = 0

    @settings(
        max_examples=EXAMPLES or 400,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(texts())
    def agrees(text: str) -> None:
        nonlocal taken, refused
        before = len(world.server.calls)
        answer = world.client.post(CREATE, content=text.encode())
        good = text == "" or reads_as(pb.CreateClusterRequest.DESCRIPTOR, text)
        assert answer.status_code == (200 if good else 400), (text, answer.text)
        assert len(world.server.calls) == before + good
        if good:
            taken += 1
            expected = json_format.Parse(text or "{}", pb.CreateClusterRequest())
            assert pb.CreateClusterRequest.FromString(world.server.calls[-1][1]) == expected
        else:
            refused += 1
            assert answer.json()["error"]["details"][1]["fieldViolations"], answer.text

    agrees()
    assert min(taken, refused) > 50, (taken, refused)
