"""Every change is told: who, what, from where, how it ended; in the change's own transaction, and for ever."""

from __future__ import annotations

import ipaddress
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import bridgx.v1 as pb
import httpx
import pytest
from bridgx import Client
from bridgx_server.demo.system import Running
from bridgx_server.interceptors.operations import OPERATIONS
from bridgx_server.interceptors.origin import address_of
from bridgx_server.providers.base import Credentials
from bridgx_server.store import accounts, audit
from bridgx_server.store.audit import Actor, AuditFilter, Resource
from bridgx_server.store.database import Store
from bridgx_server.store.migrations import migrate
from bridgx_server.store.models import TABLES, AuditRow, RequestRow, WatchRow
from bridgx_server.store.paging import PageOf
from bridgx_server.store.scope import EVERYTHING, AccountName, Scope
from bridgx_server.store.secrets import Keyring
from contract.conftest import Api
from contract.tenants import (
    CLOUD,
    OTHER_CLOUD,
    REGION,
    ZONE,
    Tenant,
    World,
    called,
    methods,
    network_of,
    outcome,
    template_of,
    world,
)
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from peewee import DatabaseError

numbers = itertools.count(1)
MARKER = "marker-of-a-secret"
RULE = pb.SecurityGroupRule(protocol="tcp", port_range="22/22", direction="ingress", cidr_ip="10.0.0.0/8")


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Tenant]]:
    with world(tmp_path_factory.mktemp("audit")) as one:
        tenant = one.tenant(f"demo-{CLOUD}", f"demo-secret-{CLOUD}")
        yield one, one.furnished(tenant, "10.1", 3)


def _made_token(world: World, tenant: Tenant) -> Message:
    return pb.RevokeTokenRequest(token_id=world.token(f"spare-{next(numbers)}", "viewer").token_id)


def _made_task(world: World, tenant: Tenant) -> Message:
    world.control.delays(cloud=CLOUD, boot=[30, 30])
    expand = pb.ExpandClusterRequest(cluster_name=tenant.cluster, task_name="to cancel", count=1)
    return pb.CancelTaskRequest(task_id=world.root.tasks.ExpandCluster(expand).task_id, created_machines="delete")


def _unused_cluster(world: World, tenant: Tenant) -> Message:
    made = world.root.clusters.CreateCluster(template_of(tenant, f"unused-{next(numbers)}"))
    return pb.DeleteClusterRequest(cluster_name=made.cluster_name)


def _unprotected(world: World, tenant: Tenant) -> str:
    running = pb.ListInstancesRequest(cluster_name=tenant.cluster, status="running")
    return next(row.instance_id for row in world.root.list_instances(running) if not row.protected)


def _protection(world: World, tenant: Tenant) -> Message:
    return pb.ProtectInstancesRequest(cluster_name=tenant.cluster, instance_ids=[_unprotected(world, tenant)])


def _protection_to_end(world: World, tenant: Tenant) -> Message:
    names = [_unprotected(world, tenant)]
    world.root.instances.ProtectInstances(pb.ProtectInstancesRequest(cluster_name=tenant.cluster, instance_ids=names))
    return pb.UnprotectInstancesRequest(cluster_name=tenant.cluster, instance_ids=names)


def _unused_account(world: World, tenant: Tenant) -> Message:
    world.register(OTHER_CLOUD, f"demo-{OTHER_CLOUD}", f"demo-secret-{OTHER_CLOUD}")
    return pb.DeleteAccountRequest(provider=OTHER_CLOUD, account_key=f"demo-{OTHER_CLOUD}")


def _new_account(world: World, tenant: Tenant) -> Message:
    key = f"key-{next(numbers)}"
    world.control.call("POST", "/accounts", {"cloud": CLOUD, "access_key": key, "secret": MARKER})
    return pb.CreateAccountRequest(provider=CLOUD, account_name="a", account_key=key, account_secret=MARKER)


def _exchanged_secret(world: World, tenant: Tenant) -> Message:
    number = next(numbers)
    key = f"key-{number}"
    world.control.call("POST", "/accounts", {"cloud": CLOUD, "access_key": key, "secret": "the-first-secret"})
    world.register(CLOUD, key, "the-first-secret")
    world.control.call("POST", "/accounts", {"cloud": CLOUD, "access_key": key, "secret": MARKER})
    return pb.UpdateAccountRequest(provider=CLOUD, account_key=key, account_secret=MARKER)


def _new_subnet(world: World, tenant: Tenant) -> Message:
    block = f"10.1.{100 + next(numbers)}.0/24"
    return pb.CreateSubnetRequest(vpc_id=tenant.vpc, zone_id=ZONE, cidr_block=block, switch_name="further")


# For every rpc that changes something: a request that succeeds. A new one needs its line here.
CASES: dict[str, Callable[[World, Tenant], Message]] = {
    "AccountService.CreateAccount": _new_account,
    "AccountService.DeleteAccount": _unused_account,
    "AccountService.UpdateAccount": _exchanged_secret,
    "ClusterService.CreateCluster": lambda _, tenant: template_of(
        tenant, f"c-{next(numbers)}", password="Mark3r-of-pass"
    ),
    "ClusterService.DeleteCluster": _unused_cluster,
    "ClusterService.UpdateCluster": lambda _, tenant: pb.UpdateClusterRequest(
        cluster_name=tenant.cluster, desc=f"number {next(numbers)}"
    ),
    "InstanceService.ProtectInstances": _protection,
    "InstanceService.UnprotectInstances": _protection_to_end,
    "NetworkService.CreateNetworkConfig": lambda _, tenant: network_of(tenant, f"10.{100 + next(numbers)}"),
    "NetworkService.CreateSecurityGroup": lambda _, tenant: pb.CreateSecurityGroupRequest(
        vpc_id=tenant.vpc, security_group_name=f"group-{next(numbers)}", rules=[RULE]
    ),
    "NetworkService.CreateSubnet": _new_subnet,
    "NetworkService.CreateVpc": lambda _, tenant: pb.CreateVpcRequest(
        provider=CLOUD, region_id=REGION, vpc_name=f"vpc-{next(numbers)}", ak=tenant.account_key
    ),
    "ReconcileService.DeleteOrphans": lambda world, tenant: pb.DeleteOrphansRequest(
        instance_ids=[world.orphan(tenant)]
    ),
    "ReconcileService.StartComparison": lambda _, tenant: pb.StartComparisonRequest(
        provider=CLOUD, account=tenant.account_key
    ),
    "TaskService.CancelTask": _made_task,
    "TaskService.ExpandCluster": lambda _, tenant: pb.ExpandClusterRequest(
        cluster_name=tenant.cluster, task_name="grow", count=1
    ),
    "TaskService.ShrinkCluster": lambda _, tenant: pb.ShrinkClusterRequest(
        cluster_name=tenant.cluster, task_name="less", count=1
    ),
    "TokenService.CreateToken": lambda _, tenant: pb.CreateTokenRequest(
        name=f"token-{next(numbers)}", role="viewer", all_accounts=True
    ),
    "TokenService.RevokeToken": _made_token,
}
# Requests that are refused, of what may be asked for without saying anything.
WRONG: dict[str, Message] = {"ReconcileService.StartComparison": pb.StartComparisonRequest(provider="Nowhere")}
CHANGES = sorted(name for name, operation in OPERATIONS.items() if operation.changes)
NAME_TAKEN = ("account_already_exists", "cluster_already_exists", "token_already_exists")  # how a broken rule is read
ABOUT_NO_ACCOUNT = ("TokenService.CreateToken", "TokenService.RevokeToken")


def test_every_change_has_a_case_here() -> None:
    missing = sorted(set(CHANGES) - set(CASES))
    assert not missing, f"{', '.join(missing)}: add to CASES a request that succeeds"


def rows_of(client: Client, rpc: str, **filters: Any) -> list[pb.AuditRecord]:
    return list(client.list_audit_records(pb.ListAuditRecordsRequest(operation=rpc, **filters)))


@pytest.mark.parametrize("rpc", CHANGES)
def test_a_change_is_told_in_its_own_transaction(furnished: tuple[World, Tenant], rpc: str) -> None:
    world, tenant = furnished
    request = CASES[rpc](world, tenant)
    before = rows_of(world.root, rpc)
    called(world.root, rpc, request)
    rows = rows_of(world.root, rpc)[: -len(before) or None]
    assert rows
    for row in rows:
        assert (row.outcome, row.caller, row.caller_kind, row.operation) == ("success", "root", "settings", rpc)
        assert (row.address, row.proxy, bool(row.request_id)) == ("127.0.0.1", "", True)
        assert row.resource
        assert bool(row.account) == (rpc not in ABOUT_NO_ACCOUNT)
        assert json.loads(row.detail)
    world.control.delays(cloud=CLOUD, boot=[0.05, 0.2])


@pytest.mark.parametrize("rpc", CHANGES)
def test_what_cannot_be_told_does_not_happen(furnished: tuple[World, Tenant], rpc: str) -> None:
    world, tenant = furnished
    request = CASES[rpc](world, tenant)
    before = _rows(world.store)
    with _audit_full(world.store):
        assert outcome(world.root, rpc, request)[1] in ("internal", *NAME_TAKEN)
    assert _rows(world.store) == before
    world.control.delays(cloud=CLOUD, boot=[0.05, 0.2])


@contextmanager
def _audit_full(store: Store) -> Iterator[None]:
    """Lets the database refuse rows about what succeeded."""
    with store.connection():
        store.database.execute_sql(
            "CREATE TRIGGER audit_full BEFORE INSERT ON audit WHEN NEW.outcome = 'success' "
            "BEGIN SELECT RAISE(ABORT, 'the audit is full'); END"
        )
        try:
            yield
        finally:
            store.database.execute_sql("DROP TRIGGER audit_full")


def _rows(store: Store) -> dict[str, object]:
    """What there is of everything that a caller can change."""
    found: dict[str, object] = {}
    with store.connection():
        for table in TABLES:
            name = table._meta.table_name
            if name in ("accounts", "vpcs", "subnets", "security_groups"):
                found[name] = table.select().count()
            if name == "clusters":
                found[name] = list(table.select().order_by(table.id).dicts())
        found["protected"] = store.database.execute_sql(
            "SELECT id FROM instances WHERE protected ORDER BY id"
        ).fetchall()
        found["tasks"] = store.database.execute_sql("SELECT id, cancel FROM tasks ORDER BY id").fetchall()
        found["tokens"] = store.database.execute_sql("SELECT id, revoked_at FROM tokens ORDER BY id").fetchall()
    return found


@pytest.mark.parametrize("rpc", CHANGES)
def test_a_refusal_is_told_with_its_reason(furnished: tuple[World, Tenant], rpc: str) -> None:
    world, _ = furnished
    wrong = WRONG.get(rpc) or methods()[rpc].input_type._concrete_class()
    for token, caller, reason in (
        ("root-token", "root", "param_invalid"),
        ("viewer-token", "watcher", "permission_denied"),
    ):
        client = world.client(token)
        assert outcome(client, rpc, wrong)[1] == reason
        row = rows_of(world.root, rpc, caller=caller)[0]
        assert (row.outcome, row.caller) == (reason, caller)
        assert row.message
    before = rows_of(world.root, rpc)
    assert outcome(world.client("no-token"), rpc, wrong)[1] == "token_invalid"
    assert rows_of(world.root, rpc) == before  # nobody's calls are logged, and cannot fill the audit


def test_a_tenant_reads_what_was_done_and_refused_in_its_accounts(furnished: tuple[World, Tenant]) -> None:
    _, tenant = furnished
    too_many = pb.ExpandClusterRequest(cluster_name=tenant.cluster, task_name="x", count=10_000)
    assert outcome(tenant.operator, "TaskService.ExpandCluster", too_many)[1] == "quota_exceeded"
    (row, *_) = rows_of(tenant.operator, "TaskService.ExpandCluster")
    assert (row.outcome, row.caller, row.caller_kind) == (
        "quota_exceeded",
        f"operator-of-{tenant.account_key}",
        "token",
    )
    assert (row.resource_kind, row.resource, row.account) == ("cluster", tenant.cluster, tenant.account_key)
    assert json.loads(row.detail) == {"cluster_name": tenant.cluster, "task_name": "x", "count": 10_000}
    assert all(row.account == tenant.account_key for row in tenant.operator.list_audit_records())


@pytest.mark.parametrize("seconds", [-1, 2**62])
def test_a_moment_beyond_all_calendars_is_refused_by_name(furnished: tuple[World, Tenant], seconds: int) -> None:
    request = pb.ListAuditRecordsRequest(since=Timestamp(seconds=seconds))
    code, _, _, field = outcome(furnished[0].root, "AuditService.ListAuditRecords", request)
    assert code == "StatusCode.INVALID_ARGUMENT"
    assert field.startswith("since")


def test_who_is_no_admin_reads_of_accounts_alone(furnished: tuple[World, Tenant]) -> None:
    world, _ = furnished
    world.token("told-to-admins", "viewer")
    assert rows_of(world.root, "TokenService.CreateToken", resource="told-to-admins")
    viewer = world.client("viewer-token")
    assert not rows_of(viewer, "TokenService.CreateToken", resource="told-to-admins")
    assert rows_of(viewer, "ClusterService.CreateCluster")


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:192.0.2.1:50000", "192.0.2.1"),
        ("ipv6:%5B2001:db8::1%5D:50000", "2001:db8::1"),
        ("ipv6:[::1]:50000", "::1"),
        ("unix:/run/bridgx.sock", "unix:/run/bridgx.sock"),
    ],
)
def test_where_a_peer_is(peer: str, address: str) -> None:
    assert address_of(peer) == address


def test_a_repetition_is_told_as_one(furnished: tuple[World, Tenant]) -> None:
    world, tenant = furnished
    request = pb.ExpandClusterRequest(cluster_name=tenant.cluster, task_name="x", count=1, request_id="twice-told")
    task_id = world.root.tasks.ExpandCluster(request).task_id
    assert world.root.tasks.ExpandCluster(request).task_id == task_id
    again, first = rows_of(world.root, "TaskService.ExpandCluster")[:2]
    assert (first.outcome, json.loads(first.detail)["task_id"]) == ("success", task_id)
    assert again.outcome == "unchanged"


def test_comparisons_are_told_by_account_and_not_asked_for_untold(tmp_path_factory: pytest.TempPathFactory) -> None:
    # Without a worker nothing but the call changes when a comparison is due.
    with world(tmp_path_factory.mktemp("comparisons"), worker=False) as one:
        tenant = one.tenant(f"demo-{CLOUD}", f"demo-secret-{CLOUD}")
        tenant.operator.networks.CreateVpc(
            pb.CreateVpcRequest(provider=CLOUD, region_id=REGION, vpc_name="watched", ak=tenant.account_key)
        )
        rpc, request = "ReconcileService.StartComparison", pb.StartComparisonRequest(account=tenant.account_key)

        def due() -> list[int]:
            with one.store.connection():
                return [row.reconcile_at for row in WatchRow.select()]

        asked = tenant.operator.reconcile.StartComparison(request)
        assert (asked.places, due()) == (1, [asked.asked_at.ToMilliseconds()])
        (row,) = rows_of(tenant.operator, rpc)
        assert (row.resource_kind, row.resource, row.account) == ("account", tenant.account_key, tenant.account_key)
        assert json.loads(row.detail) == {"account": tenant.account_key, "regions": [REGION]}
        before = due()
        with _audit_full(one.store):
            assert outcome(tenant.operator, rpc, request)[1] == "internal"
        assert due() == before
        elsewhere = pb.StartComparisonRequest(provider=CLOUD, account=tenant.account_key, region_id="nowhere")
        assert tenant.operator.reconcile.StartComparison(elsewhere).places == 0
        assert [row.outcome for row in rows_of(tenant.operator, rpc)[:1]] == ["unchanged"]


def test_what_was_undone_is_told_too(furnished: tuple[World, Tenant]) -> None:
    world, tenant = furnished
    code = {"code": "QuotaExceed.SecurityGroup", "status": 400}
    world.control.fault("error", cloud=CLOUD, action="CreateSecurityGroup", params=code, times=1)
    request = network_of(tenant, f"10.{100 + next(numbers)}")
    assert outcome(tenant.operator, "NetworkService.CreateNetworkConfig", request)[0] != "ok"
    told = [(row.resource_kind, row.outcome) for row in rows_of(tenant.operator, "NetworkService.CreateNetworkConfig")]
    refusal, *rest = told[:5]
    assert refusal[0] == "vpc"
    assert refusal[1] not in ("success", "undone")
    assert rest == [("vpc", "undone"), ("subnet", "undone"), ("subnet", "success"), ("vpc", "success")]


def test_no_secret_is_told(furnished: tuple[World, Tenant]) -> None:
    world, tenant = furnished
    for rpc in ("AccountService.CreateAccount", "ClusterService.CreateCluster"):
        called(world.root, rpc, CASES[rpc](world, tenant))
    given = world.token("told-nowhere", "viewer").token
    wrong = pb.CreateAccountRequest(provider=CLOUD, account_key="x", account_secret=MARKER)  # no name
    assert outcome(world.root, "AccountService.CreateAccount", wrong)[1] == "param_invalid"
    with world.store.connection():
        content = repr(world.store.database.execute_sql("SELECT * FROM audit").fetchall())
        requests = repr(list(RequestRow.select().dicts()))
    log = world.log_file.read_text()
    for secret in (MARKER, "Mark3r-of-pass", "Passw0rd!", given, "root-token"):
        assert secret not in content
        assert secret not in requests
        assert secret not in log
    assert "(not kept)" in content


def test_a_forwarded_address_is_believed_from_a_proxy_alone(furnished: tuple[World, Tenant]) -> None:
    world, _ = furnished
    stub = pb.TaskServiceStub(world.root._channel)
    request = pb.ExpandClusterRequest(cluster_name="none", task_name="x", count=1)

    def told(value: str) -> tuple[str, str]:
        with pytest.raises(Exception, match="cluster none"):
            stub.ExpandCluster(request, metadata=(("x-forwarded-for", value),))
        row = rows_of(world.root, "TaskService.ExpandCluster", resource="none")[0]
        return row.address, row.proxy

    assert told("198.51.100.9, 203.0.113.7") == ("203.0.113.7", "127.0.0.1")
    assert told("2001:db8::7") == ("2001:db8::7", "127.0.0.1")
    assert told("<script>") == ("127.0.0.1", "")


def test_a_forwarded_address_of_a_stranger_is_not_believed(tmp_path_factory: pytest.TempPathFactory) -> None:
    with world(tmp_path_factory.mktemp("proxy"), worker=False, trusted_proxies="192.0.2.0/24") as one:
        stub = pb.TaskServiceStub(one.root._channel)
        request = pb.ExpandClusterRequest(cluster_name="none", task_name="x", count=1)
        with pytest.raises(Exception, match="cluster none"):
            stub.ExpandCluster(request, metadata=(("x-forwarded-for", "203.0.113.7"),))
        (row,) = rows_of(one.root, "TaskService.ExpandCluster")
        assert (row.address, row.proxy) == ("127.0.0.1", "")


def test_over_rest_the_audit_is_listed_with_filters(system: Running, api: Api) -> None:
    body = {"cluster_name": "audited over REST", "task_name": "x", "count": 1}
    headers = {"X-Forwarded-For": "6.6.6.6", "X-Request-Id": "audit-over-rest"}
    refused = api.client.post("cluster/expand", json=body, headers=headers)
    assert refused.status_code == 404
    listed = api.get("audit/list", resource="audited over REST", outcome="cluster_not_found")
    (row,) = listed["audit_list"]
    assert listed["pager"]["total"] == 1
    assert (row["proxy"], row["request_id"]) == ("127.0.0.1", "audit-over-rest")
    # What the caller wrote is not believed, and what Envoy adds is: for one on its own machine, that machine's address.
    assert row["address"] != "6.6.6.6"
    assert ipaddress.ip_address(row["address"])
    at = row["at"]
    for query, total in (
        ({"since": at}, 1),
        ({"since": "2100-01-01T00:00:00Z"}, 0),
        ({"until": at}, 0),
        ({"until": "2100-01-01T00:00:00Z", "caller": "demo"}, 1),
        ({"caller": "nobody"}, 0),
        ({"operation": "TaskService.ShrinkCluster"}, 0),
        ({"resource_kind": "cluster"}, 1),
    ):
        assert api.get("audit/list", resource="audited over REST", **query)["pager"]["total"] == total, query
    assert api.refused("audit/list", since="yesterday")["code"] == 400
    answer = httpx.get(f"{system.rest_url}/api/v1/audit/list")
    assert (answer.status_code, answer.json()["msg"]) == (401, "token_invalid")


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url)
    migrate(store)
    yield store
    store.close()


def tell(store: Store, actor: str, resource: Resource, result: str = "success", operation: str = "Test.Change") -> None:
    with audit.change(Actor(actor, "token", f"token:{actor}"), operation) as change:
        audit.told(store, change, resource, result)


def test_the_database_itself_refuses_to_change_what_was_told(store: Store) -> None:
    tell(store, "alice", Resource("cluster", "web"))
    statements = [
        "UPDATE audit SET actor = 'mallory'",
        "DELETE FROM audit",
        "DELETE FROM audit WHERE actor = 'alice'",
    ]
    if store.dialect == "postgresql":
        statements.append("TRUNCATE audit")
    for statement in statements:
        with pytest.raises(DatabaseError, match="append-only"), store.transaction():
            store.database.execute_sql(statement)
    assert [
        row.actor
        for row in audit.page(store, EVERYTHING, AuditFilter(), PageOf.asked(1, 10), about_no_account=True).rows
    ] == ["alice"]


def test_filters_pages_and_scopes(store: Store) -> None:
    keyring = Keyring.of(b"k" * 32)
    ids = [
        accounts.register(store, keyring, Credentials("AWSCloud", key, "s", ""), name=key, caller="test").id
        for key in ("A", "B")
    ]
    for number in range(3):
        tell(store, "alice", Resource("cluster", f"web-{number}", "AWSCloud", ids[0], "A"))
    tell(store, "bob", Resource("task", "7", "AWSCloud", ids[1], "B"), "conflict", "TaskService.CancelTask")
    tell(store, "bob", Resource("token", "ci"))

    def found(scope: Scope = EVERYTHING, number: int = 1, size: int = 10, **fields: Any) -> list[str]:
        page = audit.page(store, scope, AuditFilter(**fields), PageOf.asked(number, size), about_no_account=True)
        return [row.resource for row in page.rows]

    assert found() == ["ci", "7", "web-2", "web-1", "web-0"]
    assert found(number=2, size=2) == ["web-2", "web-1"]
    assert found(actor="bob") == ["ci", "7"]
    assert found(outcome="conflict") == ["7"]
    assert found(operation="TaskService.CancelTask") == ["7"]
    assert found(resource_kind="cluster", resource="web-1") == ["web-1"]
    assert found(since=store.now() + 1000) == []
    assert found(until=store.now() + 1000) == ["ci", "7", "web-2", "web-1", "web-0"]
    one, two = AccountName("AWSCloud", "A"), AccountName("AWSCloud", "B")
    assert found(Scope.of([one])) == ["web-2", "web-1", "web-0"]
    assert found(Scope.of([two])) == ["7"]
    assert found(Scope.of([one, two])) == ["7", "web-2", "web-1", "web-0"]
    assert found(Scope.of([])) == []


def test_whatever_a_caller_calls_things_fits_into_a_row(store: Store) -> None:
    for name in ("x" * 5000, "nul \x00 and \n line", "混 😀 \ud7ff", ""):
        tell(store, name, Resource("cluster", name))
    rows = audit.page(store, EVERYTHING, AuditFilter(), PageOf.asked(1, 10), about_no_account=True).rows
    assert len(rows) == 4
    assert all("\n" not in row.resource and "\x00" not in row.resource for row in rows)


def test_a_change_outside_a_transaction_is_a_fault_of_ours(store: Store) -> None:
    with (
        audit.change(Actor("alice", "token"), "Test.Change"),
        pytest.raises(RuntimeError, match="transaction"),
        store.connection(),
    ):
        audit.changed(store, Resource("cluster", "web"))
    with store.connection():
        assert AuditRow.select().count() == 0
