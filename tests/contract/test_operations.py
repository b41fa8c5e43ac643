"""Every rpc has a declared role, and the role is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from bridgx_server.identities.identity import Role
from bridgx_server.interceptors.operations import OPERATIONS
from contract.tenants import World, methods, outcome, world

SECRET_WORDS = ("password", "secret")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("operations"), worker=False) as one:
        yield one


def test_every_rpc_has_a_row_in_the_table_of_operations() -> None:
    missing, left = sorted(set(methods()) - set(OPERATIONS)), sorted(set(OPERATIONS) - set(methods()))
    assert not missing, (
        f"{', '.join(missing)}: add a row to OPERATIONS in server/bridgx_server/interceptors/operations.py, reads(role) or "
        "changes(role, kind of resource, field that names it); then a case in tests/contract/test_tenants.py, and for a "
        "change one in tests/contract/test_audit.py"
    )
    assert not left, f"{', '.join(left)}: no such rpc; remove the row from OPERATIONS"


def test_a_row_says_the_same_as_the_proto() -> None:
    for rpc, operation in OPERATIONS.items():
        fields = methods()[rpc].input_type.fields_by_name
        if operation.changes:
            assert operation.named_by in fields, f"{rpc} has no field {operation.named_by}"
            assert operation.role > Role.VIEWER, f"{rpc} changes something, which a viewer must not"


def test_whatever_may_hold_a_secret_is_marked_so_that_the_audit_leaves_it_out() -> None:
    for rpc, method in methods().items():
        for name, field in method.input_type.fields_by_name.items():
            if any(word in name for word in SECRET_WORDS):
                assert field.GetOptions().debug_redact, f"{rpc}: {name} needs debug_redact in its proto"


@pytest.mark.parametrize("rpc", sorted(methods()))
def test_a_lower_role_is_refused_before_anything_is_looked_at(server: World, rpc: str) -> None:
    tokens = {Role.VIEWER: "viewer-token", Role.OPERATOR: "operator-token", Role.ADMIN: "root-token"}
    for role, token in tokens.items():
        code, *rest = outcome(server.client(token), rpc, methods()[rpc].input_type._concrete_class())
        refused = code == "StatusCode.PERMISSION_DENIED"
        assert refused == (role < OPERATIONS[rpc].role), (role, code, rest)


@pytest.mark.parametrize("token", ["", "nobody's", "bridgx_" + "x" * 43, "a.b.c"])
def test_without_a_known_token_no_rpc_answers(server: World, token: str) -> None:
    client = server.client(token)
    for rpc, method in methods().items():
        code, reason, *_ = outcome(client, rpc, method.input_type._concrete_class())
        assert (code, reason) == ("StatusCode.UNAUTHENTICATED", "token_invalid"), rpc
    told = [
        line for line in map(json.loads, server.log_file.read_text().splitlines()) if line["event"] == "unauthenticated"
    ]
    assert {line["method"].removeprefix("/bridgx.v1.").replace("/", ".") for line in told} == set(methods())
    assert all(line["peer"] and line["why"] for line in told)
    assert not token or token not in server.log_file.read_text()
