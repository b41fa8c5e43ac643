"""Texts that a reader cannot see are refused by every rpc, in every field, before any database is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bridgx.v1 as pb
import grpc
import pytest
from bridgx import Failure, failure_of
from contract.tenants import World, called, methods, outcome, world
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

NUL = "\0"
UNREADABLE = {
    "U+0007": "\x07",
    "U+0085": "\x85",
    "U+200B ZERO WIDTH SPACE": "\u200b",
    "U+200D ZERO WIDTH JOINER": "\u200d",
    "U+2028 LINE SEPARATOR": "\u2028",
    "U+202E RIGHT-TO-LEFT OVERRIDE": "\u202e",
    "U+2066 LEFT-TO-RIGHT ISOLATE": "\u2066",
    "U+3164 HANGUL FILLER": "\u3164",
    "U+FEFF ZERO WIDTH NO-BREAK SPACE": "\ufeff",
}


@pytest.fixture(scope="module")
def server(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("texts"), module_database_url, worker=False) as one:
        yield one


@pytest.fixture(scope="module")
def on_a_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("texts"), worker=False) as one:
        yield one


def with_text(kind: Descriptor, text: str) -> Iterator[tuple[str, Message]]:
    """For each string that a message of the kind may hold, however deep: its path, and a message that holds this one."""
    create = message_factory.GetMessageClass(kind)
    for field in kind.fields:
        for path, value in _values(field, text):
            yield path, create(**{field.name: value})


def _values(field: FieldDescriptor, text: str) -> Iterator[tuple[str, Any]]:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        yield f"{field.name}['{escaped(text)}']", {text: "value"}
        yield f"{field.name}['key']", {"key": text}
    elif field.message_type is not None:
        for path, message in with_text(field.message_type, text):
            yield (f"{field.name}[0].{path}", [message]) if field.is_repeated else (f"{field.name}.{path}", message)
    elif field.type == FieldDescriptor.TYPE_STRING:
        yield (f"{field.name}[0]", [text]) if field.is_repeated else (field.name, text)


def escaped(text: str) -> str:
    """As ASCII, whatever it is."""
    return text.encode("unicode_escape").decode("ascii")


def refused(server: World, rpc: str, request: Message) -> Failure:
    with pytest.raises(grpc.RpcError) as raised:
        called(server.root, rpc, request)
    failure = failure_of(raised.value)
    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "param_invalid")
    return failure


@pytest.mark.parametrize("rpc", sorted(methods()))
def test_a_nul_byte_is_refused_in_every_field_on_every_database(server: World, rpc: str) -> None:
    for path, request in with_text(methods()[rpc].input_type, f"a{NUL}b"):
        assert "U+0000" in refused(server, rpc, request).fields[path]


@pytest.mark.parametrize(
    "rpc", ["ClusterService.CreateCluster", "TaskService.ShrinkCluster", "TokenService.CreateToken"]
)
@pytest.mark.parametrize("name", UNREADABLE)
def test_what_a_reader_cannot_see_is_named_by_its_code_point(on_a_file: World, rpc: str, name: str) -> None:
    for path, request in with_text(methods()[rpc].input_type, f"a{UNREADABLE[name]}b"):
        if path == "tags['key']" and name in JOINING:
            continue
        failure = refused(on_a_file, rpc, request)
        assert name in failure.fields[path]
        assert UNREADABLE[name] not in failure.message


JOINING = {name for name in UNREADABLE if name.split()[0] not in ("U+0007", "U+0085", "U+2028")}


def test_the_value_of_a_tag_may_join_letters(on_a_file: World) -> None:
    request = pb.CreateClusterRequest(tags={"team": "\U0001f469\u200d\U0001f4bb"})
    failure = refused(on_a_file, "ClusterService.CreateCluster", request)
    assert failure.fields
    assert not any("tags" in field for field in failure.fields)


@pytest.mark.parametrize("name", ["集群", "عنقود", "क्लस्टर", "\u2764\ufe0f web", "café"])
def test_letters_of_every_script_are_fine(on_a_file: World, name: str) -> None:
    assert outcome(on_a_file.root, "TaskService.ListTasks", pb.ListTasksRequest(cluster_name=name))[0] == "ok"
