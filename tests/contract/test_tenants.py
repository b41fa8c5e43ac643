"""Two tenants, one curious: what is another's answers exactly as what does not exist, in every rpc, by id, name and filter."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import bridgx.v1 as pb
import pytest
from bridgx_server import services
from bridgx_server.store.scope import Scope
from contract.tenants import (
    CLOUD,
    OTHER_CLOUD,
    REGION,
    ZONE,
    Tenant,
    World,
    methods,
    network_of,
    outcome,
    template_of,
    world,
)
from google.protobuf.message import Message

NOBODY = "nobody"
NOWHERE = "BaiduCloud"  # no account of it is registered


@dataclass(frozen=True)
class Probe:
    """The same request twice: about what is another's, and about what is not there. ``names``: what differs in the answers."""

    theirs: Message
    nothing: Message
    names: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Two:
    world: World
    owner: Tenant
    stranger: Tenant
    spare_token: str  # of the owner


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    with world(tmp_path_factory.mktemp("tenants")) as one:
        one.control.call("POST", "/accounts", {"cloud": CLOUD, "access_key": "key-b", "secret": "secret-of-b-1234"})
        owner = one.tenant(f"demo-{CLOUD}", f"demo-secret-{CLOUD}")
        stranger = one.tenant("key-b", "secret-of-b-1234")
        one.register(OTHER_CLOUD, f"demo-{OTHER_CLOUD}", f"demo-secret-{OTHER_CLOUD}")
        accounts = [
            pb.TokenAccount(provider=CLOUD, account_key=owner.account_key),
            pb.TokenAccount(provider=OTHER_CLOUD, account_key=f"demo-{OTHER_CLOUD}"),
        ]
        both = one.root.tokens.CreateToken(pb.CreateTokenRequest(name="owner", role="admin", accounts=accounts))
        owner.admin = one.client(both.token)
        one.furnished(owner, "10.1", 3)
        one.furnished(stranger, "10.2", 1)
        spare = owner.admin.tokens.CreateToken(
            pb.CreateTokenRequest(name="spare-of-owner", role="viewer", accounts=accounts[:1])
        )
        yield Two(one, owner, stranger, spare.token_id)


def _by_vpc(make: Callable[[str], Message]) -> Callable[[Two], list[Probe]]:
    return lambda two: [Probe(make(two.owner.vpc), make("vpc-none"), ((two.owner.vpc, "vpc-none"),))]


def _by_task(make: Callable[[str], Message]) -> Callable[[Two], list[Probe]]:
    return lambda two: [Probe(make(two.owner.task_id), make("999999"), ((f"task {two.owner.task_id}", "task 999999"),))]


def _by_cluster(make: Callable[[str], Message]) -> Callable[[Two], list[Probe]]:
    return lambda two: [Probe(make(two.owner.cluster), make(NOBODY), ((two.owner.cluster, NOBODY),))]


def _by_cloud(make: Callable[[str], Message]) -> Callable[[Two], list[Probe]]:
    return lambda two: [Probe(make(OTHER_CLOUD), make(NOWHERE), ((OTHER_CLOUD, NOWHERE),))]


def _filters(
    kind: Callable[..., Message], *filters: tuple[str, Callable[[Tenant], str], str]
) -> Callable[[Two], list[Probe]]:
    """A list, without a filter and by each one."""

    def probes(two: Two) -> list[Probe]:
        found = [Probe(kind(), kind())]
        for name, value, nothing in filters:
            found.append(Probe(kind(**{name: value(two.owner)}), kind(**{name: nothing})))
        return found

    return probes


def _accounts(two: Two) -> list[Probe]:
    def request(key: str) -> pb.CreateAccountRequest:
        return pb.CreateAccountRequest(
            provider=CLOUD, account_name="x", account_key=key, account_secret="a-secret-of-16-chars"
        )

    key = two.owner.account_key
    return [Probe(request(key), request(NOBODY), ((key, NOBODY),))]


def _deletions(two: Two) -> list[Probe]:
    def request(key: str) -> pb.DeleteAccountRequest:
        return pb.DeleteAccountRequest(provider=CLOUD, account_key=key)

    key = two.owner.account_key
    return [Probe(request(key), request(NOBODY), ((key, NOBODY),))]


def _account_updates(two: Two) -> list[Probe]:
    def request(key: str) -> pb.UpdateAccountRequest:
        return pb.UpdateAccountRequest(provider=CLOUD, account_key=key, account_secret="a-secret-of-16-chars")

    def renamed(key: str) -> pb.UpdateAccountRequest:
        return pb.UpdateAccountRequest(provider=CLOUD, account_key=key, account_name="mine")

    key = two.owner.account_key
    return [Probe(make(key), make(NOBODY), ((key, NOBODY),)) for make in (request, renamed)]


def _clusters(two: Two) -> list[Probe]:
    key, owner = two.owner.account_key, two.owner
    theirs = template_of(owner, "curious")
    nothing = template_of(owner, "curious", account_key=NOBODY)
    # In the stranger's own account, with the owner's network.
    mixed = template_of(owner, "curious", account_key=two.stranger.account_key)
    made_up = pb.NetworkConfig(vpc="vpc-none", subnet_id="vsw-none", security_group="sg-none")
    nowhere = template_of(owner, "curious", account_key=two.stranger.account_key, network_config=made_up)
    ids = ((owner.vpc, "vpc-none"), (owner.subnet, "vsw-none"), (owner.group, "sg-none"))
    return [Probe(theirs, nothing, ((key, NOBODY),)), Probe(mixed, nowhere, ids)]


def _configs(two: Two) -> list[Probe]:
    key = two.owner.account_key
    return [
        Probe(network_of(two.owner, "10.9"), network_of(two.owner, "10.9", ak=NOBODY), ((key, NOBODY),)),
    ]


def _vpcs(two: Two) -> list[Probe]:
    def request(key: str) -> pb.CreateVpcRequest:
        return pb.CreateVpcRequest(provider=CLOUD, region_id=REGION, vpc_name="curious", ak=key)

    key = two.owner.account_key
    return [Probe(request(key), request(NOBODY), ((key, NOBODY),))]


def _shrinks(two: Two) -> list[Probe]:
    def request(name: str, **what: object) -> pb.ShrinkClusterRequest:
        return pb.ShrinkClusterRequest(cluster_name=name, task_name="curious", **what)  # type: ignore[arg-type]

    owner, stranger, ip = two.owner, two.stranger, two.owner.machines[0].ip_inner
    machine, none = owner.machines[0].instance_id, "i-none"
    return [
        Probe(request(owner.cluster, count=1), request(NOBODY, count=1), ((owner.cluster, NOBODY),)),
        Probe(request(owner.cluster, ips=[ip]), request(NOBODY, ips=[ip]), ((owner.cluster, NOBODY),)),
        Probe(
            request(stranger.cluster, instance_ids=[machine]),
            request(stranger.cluster, instance_ids=[none]),
            ((machine, none),),
        ),
        Probe(request(stranger.cluster, ips=[ip]), request(stranger.cluster, ips=["10.77.0.1"]), ((ip, "10.77.0.1"),)),
    ]


def _plans(two: Two) -> list[Probe]:
    def request(name: str, **what: object) -> pb.PlanShrinkRequest:
        return pb.PlanShrinkRequest(cluster_name=name, **what)  # type: ignore[arg-type]

    owner, stranger, ip = two.owner, two.stranger, two.owner.machines[0].ip_inner
    machine, none = owner.machines[0].instance_id, "i-none"
    return [
        Probe(request(owner.cluster, count=1), request(NOBODY, count=1), ((owner.cluster, NOBODY),)),
        Probe(
            request(stranger.cluster, instance_ids=[machine]),
            request(stranger.cluster, instance_ids=[none]),
            ((machine, none),),
        ),
        Probe(request(stranger.cluster, ips=[ip]), request(stranger.cluster, ips=["10.77.0.1"]), ((ip, "10.77.0.1"),)),
    ]


def _protections(kind: Callable[..., Message]) -> Callable[[Two], list[Probe]]:
    def probes(two: Two) -> list[Probe]:
        def request(name: str, machine: str, ip: str) -> Message:
            return kind(cluster_name=name, instance_ids=[machine], ips=[ip])

        owner, nothing = two.owner, ("i-none", "10.77.0.1")
        theirs = (owner.machines[0].instance_id, owner.machines[0].ip_inner)
        return [
            Probe(request(owner.cluster, *theirs), request(NOBODY, *theirs), ((owner.cluster, NOBODY),)),
            Probe(
                request(two.stranger.cluster, *theirs),
                request(two.stranger.cluster, *nothing),
                tuple(zip(theirs, nothing, strict=True)),
            ),
        ]

    return probes


def _machines(two: Two) -> list[Probe]:
    name = two.owner.machines[0].instance_id
    return [
        Probe(pb.GetInstanceRequest(instance_id=name), pb.GetInstanceRequest(instance_id="i-none"), ((name, "i-none"),))
    ]


def _orphans(two: Two) -> list[Probe]:
    theirs = two.world.orphan(two.owner)
    nothing = pb.DeleteOrphansRequest(instance_ids=["i-none"])
    return [Probe(pb.DeleteOrphansRequest(instance_ids=[theirs]), nothing, ((theirs, "i-none"),))]


def _with_an_orphan(probes: Callable[[Two], list[Probe]]) -> Callable[[Two], list[Probe]]:
    def made(two: Two) -> list[Probe]:
        two.world.orphan(two.owner)
        return probes(two)

    return made


def _comparisons(two: Two) -> list[Probe]:
    key = two.owner.account_key
    return [Probe(pb.StartComparisonRequest(account=key), pb.StartComparisonRequest(account=NOBODY))]


def _cut_off(two: Two) -> list[Probe]:
    two.world.control.fault("unavailable", cloud=CLOUD, action="CreateVpc", times=3)
    request = pb.CreateVpcRequest(provider=CLOUD, region_id=REGION, vpc_name="cut-off", ak=two.owner.account_key)
    assert _seen(two.owner, "NetworkService.CreateVpc", request)[1] == "cloud_unavailable"
    return [Probe(pb.ListUnfinishedNetworksRequest(), pb.ListUnfinishedNetworksRequest())]


def _new_tokens(two: Two) -> list[Probe]:
    def request(key: str) -> pb.CreateTokenRequest:
        account = pb.TokenAccount(provider=CLOUD, account_key=key)
        return pb.CreateTokenRequest(name="curious", role="viewer", accounts=[account])

    key = two.owner.account_key
    return [Probe(request(key), request(NOBODY), ((key, NOBODY),))]


def _revocations(two: Two) -> list[Probe]:
    name = two.spare_token
    return [
        Probe(
            pb.RevokeTokenRequest(token_id=name),
            pb.RevokeTokenRequest(token_id="999999"),
            ((f"token {name}", "token 999999"),),
        )
    ]


def _key(tenant: Tenant) -> str:
    return tenant.account_key


def _cluster(tenant: Tenant) -> str:
    return tenant.cluster


RULE = pb.SecurityGroupRule(protocol="tcp", port_range="22/22", direction="ingress", cidr_ip="10.0.0.0/8")

# For every rpc: what a stranger would try. A new rpc needs its line here.
CASES: dict[str, Callable[[Two], list[Probe]]] = {
    "AccountService.CreateAccount": _accounts,
    "AccountService.DeleteAccount": _deletions,
    "AccountService.UpdateAccount": _account_updates,
    "AccountService.ListAccounts": _filters(pb.ListAccountsRequest, ("provider", lambda owner: OTHER_CLOUD, NOWHERE)),
    "AuditService.ListAuditRecords": _filters(
        pb.ListAuditRecordsRequest,
        ("caller", lambda owner: f"operator-of-{owner.account_key}", NOBODY),
        ("resource", _cluster, NOBODY),
    ),
    "ClusterService.CreateCluster": _clusters,
    "ClusterService.DeleteCluster": _by_cluster(lambda name: pb.DeleteClusterRequest(cluster_name=name)),
    "ClusterService.GetCluster": _by_cluster(lambda name: pb.GetClusterRequest(cluster_name=name)),
    "ClusterService.ListClusters": _filters(pb.ListClustersRequest, ("account", _key, NOBODY)),
    "ClusterService.ListImages": _by_cloud(lambda cloud: pb.ListImagesRequest(provider=cloud, region_id="us-east-1")),
    "ClusterService.ListInstanceTypes": _by_cloud(
        lambda cloud: pb.ListInstanceTypesRequest(provider=cloud, region_id="us-east-1", zone_id="us-east-1a")
    ),
    "ClusterService.ListRegions": _by_cloud(lambda cloud: pb.ListRegionsRequest(provider=cloud)),
    "ClusterService.ListZones": _by_cloud(lambda cloud: pb.ListZonesRequest(provider=cloud, region_id="us-east-1")),
    "ClusterService.UpdateCluster": _by_cluster(
        lambda name: pb.UpdateClusterRequest(cluster_name=name, desc="curious")
    ),
    "FeeService.GetUsageTotal": _filters(pb.GetUsageTotalRequest, ("cluster_name", _cluster, NOBODY)),
    "FeeService.ListUsage": _filters(pb.ListUsageRequest, ("cluster_name", _cluster, NOBODY)),
    "InstanceService.CountInstances": _filters(
        pb.CountInstancesRequest, ("cluster_name", _cluster, NOBODY), ("account", _key, NOBODY)
    ),
    "InstanceService.GetInstance": _machines,
    "InstanceService.ListInstances": _filters(
        pb.ListInstancesRequest,
        ("account", _key, NOBODY),
        ("cluster_name", _cluster, NOBODY),
        ("instance_id", lambda owner: owner.machines[0].instance_id, "i-none"),
        ("ip", lambda owner: owner.machines[0].ip_inner, "10.77.0.1"),
    ),
    "InstanceService.ProtectInstances": _protections(pb.ProtectInstancesRequest),
    "InstanceService.UnprotectInstances": _protections(pb.UnprotectInstancesRequest),
    "NetworkService.CreateNetworkConfig": _configs,
    "NetworkService.CreateSecurityGroup": _by_vpc(
        lambda vpc: pb.CreateSecurityGroupRequest(vpc_id=vpc, security_group_name="curious", rules=[RULE])
    ),
    "NetworkService.CreateSubnet": _by_vpc(
        lambda vpc: pb.CreateSubnetRequest(vpc_id=vpc, zone_id=ZONE, cidr_block="10.1.240.0/24", switch_name="curious")
    ),
    "NetworkService.CreateVpc": _vpcs,
    "NetworkService.ListSecurityGroups": _by_vpc(lambda vpc: pb.ListSecurityGroupsRequest(vpc_id=vpc)),
    "NetworkService.ListSubnets": _by_vpc(lambda vpc: pb.ListSubnetsRequest(vpc_id=vpc)),
    "NetworkService.ListVpcs": _filters(
        pb.ListVpcsRequest,
        ("vpc_name", lambda owner: owner.vpc_name, NOBODY),
        ("region_id", lambda owner: REGION, REGION),
    ),
    "ReconcileService.DeleteOrphans": _orphans,
    "ReconcileService.ListComparisons": _filters(
        pb.ListComparisonsRequest, ("account", _key, NOBODY), ("region_id", lambda owner: REGION, REGION)
    ),
    "ReconcileService.ListFindings": _with_an_orphan(
        _filters(pb.ListFindingsRequest, ("account", _key, NOBODY), ("kind", lambda owner: "orphan", "orphan"))
    ),
    "ReconcileService.ListOrphans": _with_an_orphan(_filters(pb.ListOrphansRequest, ("account", _key, NOBODY))),
    "ReconcileService.ListUnfinishedNetworks": _cut_off,
    "ReconcileService.StartComparison": _comparisons,
    "TaskService.CancelTask": _by_task(lambda task_id: pb.CancelTaskRequest(task_id=task_id)),
    "TaskService.ExpandCluster": _by_cluster(
        lambda name: pb.ExpandClusterRequest(cluster_name=name, task_name="curious", count=1)
    ),
    "TaskService.GetTask": _by_task(lambda task_id: pb.GetTaskRequest(task_id=task_id)),
    "TaskService.ListTasks": _filters(
        pb.ListTasksRequest, ("account", _key, NOBODY), ("cluster_name", _cluster, NOBODY)
    ),
    "TaskService.PlanExpand": _by_cluster(lambda name: pb.PlanExpandRequest(cluster_name=name, count=1)),
    "TaskService.PlanShrink": _plans,
    "TaskService.ShrinkCluster": _shrinks,
    "TaskService.WatchTask": _by_task(lambda task_id: pb.WatchTaskRequest(task_id=task_id)),
    "TokenService.CreateToken": _new_tokens,
    "TokenService.ListTokens": _filters(pb.ListTokensRequest),
    "TokenService.RevokeToken": _revocations,
}


def test_every_rpc_has_a_case_here() -> None:
    missing = sorted(set(methods()) - set(CASES))
    assert not missing, f"{', '.join(missing)}: add to CASES what a stranger would try, by every id, name and filter"


@pytest.mark.parametrize("rpc", sorted(CASES))
def test_what_is_anothers_is_as_what_does_not_exist(two: Two, rpc: str) -> None:
    for probe in CASES[rpc](two):
        before = _possessions(two.owner)
        theirs = _seen(two.stranger, rpc, probe.theirs)
        nothing = _seen(two.stranger, rpc, probe.nothing)
        for name, instead in probe.names:
            theirs = tuple(text.replace(name, instead) for text in theirs)
        assert theirs == nothing
        leaked = {mark for mark in two.owner.marks() if any(mark in text for text in theirs)}
        assert not leaked
        assert _possessions(two.owner) == before
        # The request is a good one: whoever owns the thing is answered otherwise.
        assert _seen(two.owner, rpc, probe.theirs) != _seen(two.stranger, rpc, probe.theirs)


def _possessions(tenant: Tenant) -> list[object]:
    """How many there are of everything that a call could make or remove, and what one could change."""
    client = tenant.admin
    cluster = client.clusters.GetCluster(pb.GetClusterRequest(cluster_name=tenant.cluster)).cluster
    subnets = client.networks.ListSubnets(pb.ListSubnetsRequest(vpc_id=tenant.vpc))
    groups = client.networks.ListSecurityGroups(pb.ListSecurityGroupsRequest(vpc_id=tenant.vpc))
    return [
        client.accounts.ListAccounts(pb.ListAccountsRequest()).pager.total,
        client.clusters.ListClusters(pb.ListClustersRequest()).pager.total,
        client.networks.ListVpcs(pb.ListVpcsRequest()).pager.total,
        subnets.pager.total,
        groups.pager.total,
        client.tasks.ListTasks(pb.ListTasksRequest()).pager.total,
        sum(token.status == "active" for token in client.list_tokens()),
        (cluster.desc, cluster.max_machines, cluster.termination_policy, cluster.protected_machines),
    ]


def _seen(tenant: Tenant, rpc: str, request: Message) -> tuple[str, ...]:
    return outcome(tenant.admin, rpc, request)


def test_a_taken_name_tells_that_it_is_taken_and_no_more(two: Two) -> None:
    theirs = _seen(two.stranger, "ClusterService.CreateCluster", template_of(two.stranger, two.owner.cluster))
    own = _seen(two.stranger, "ClusterService.CreateCluster", template_of(two.stranger, two.stranger.cluster))
    assert theirs[1] == "cluster_already_exists"
    assert theirs == tuple(text.replace(two.stranger.cluster, two.owner.cluster) for text in own)


def test_nobody_gives_out_more_than_it_has(two: Two) -> None:
    everything = pb.CreateTokenRequest(name="more", role="viewer", all_accounts=True)
    assert _seen(two.stranger, "TokenService.CreateToken", everything)[1] == "permission_denied"
    account = pb.TokenAccount(provider=CLOUD, account_key=two.stranger.account_key)
    own = pb.CreateTokenRequest(name="own", role="admin", accounts=[account])
    token = two.stranger.admin.tokens.CreateToken(own)
    client = two.world.client(token.token)
    assert [row.account_key for row in client.list_accounts()] == [two.stranger.account_key]


def test_the_same_request_id_of_two_callers_is_two_requests(two: Two) -> None:
    ids = {}
    for tenant in (two.owner, two.stranger):
        request = pb.ExpandClusterRequest(
            cluster_name=tenant.cluster, task_name="same", count=1, request_id="the-same-id"
        )
        ids[tenant.account_key] = tenant.admin.tasks.ExpandCluster(request).task_id
        assert tenant.admin.tasks.ExpandCluster(request).task_id == ids[tenant.account_key]
    assert len(set(ids.values())) == 2
    # Another caller of the same tenant, even one who sees the same, is another caller.
    request = pb.ExpandClusterRequest(
        cluster_name=two.owner.cluster, task_name="same", count=1, request_id="the-same-id"
    )
    assert two.owner.operator.tasks.ExpandCluster(request).task_id not in ids.values()


def test_callers_of_one_name_do_not_share_their_watches(tmp_path: Path) -> None:
    with world(tmp_path, worker=False, watches_per_caller=1) as one:
        one.control.call("POST", "/accounts", {"cloud": CLOUD, "access_key": "key-b", "secret": "secret-of-b-1234"})
        tenants = [one.tenant(f"demo-{CLOUD}", f"demo-secret-{CLOUD}"), one.tenant("key-b", "secret-of-b-1234")]
        watches = []
        for tenant, block in zip(tenants, ("10.1", "10.2"), strict=True):
            one.placed(tenant, block)
            expand = pb.ExpandClusterRequest(cluster_name=tenant.cluster, task_name="grow", count=1)
            watch = pb.WatchTaskRequest(task_id=tenant.admin.tasks.ExpandCluster(expand).task_id)
            account = pb.TokenAccount(provider=CLOUD, account_key=tenant.account_key)
            ci = one.client(
                tenant.admin.tokens.CreateToken(
                    pb.CreateTokenRequest(name="ci", role="operator", accounts=[account])
                ).token
            )
            watches.append(ci.tasks.WatchTask(watch))
            assert next(watches[-1]).task_id == watch.task_id
            assert outcome(ci, "TaskService.WatchTask", watch)[1] == "throttled"
        for call in watches:
            call.cancel()


def test_every_query_of_a_servicer_is_given_a_scope() -> None:
    """A function below the servicers that answers them cannot do without a Scope, so it cannot be forgotten."""
    unscoped = sorted(name for name in _called_by_servicers() - GIVEN_FOUND_VALUES if not _takes_scope(name))
    assert not unscoped, f"{', '.join(unscoped)}: take a Scope and narrow the query by it (store/scope.py)"


# These ask nothing by a name of the caller's: they are given values that were found under its scope.
GIVEN_FOUND_VALUES = {"bridgx_server.provisioning.templates.create"}
BELOW = ("bridgx_server.store", "bridgx_server.provisioning", "bridgx_server.scaling")


def _called_by_servicers() -> set[str]:
    found = set()
    for file in Path(services.__path__[0]).glob("*_service.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        modules = {
            alias.asname or alias.name: f"{node.module}.{alias.name}"
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module in BELOW
            for alias in node.names
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = node.func.value
                if isinstance(owner, ast.Name) and owner.id in modules:
                    found.add(f"{modules[owner.id]}.{node.func.attr}")
    return found


def _takes_scope(name: str) -> bool:
    module, _, function = name.rpartition(".")
    parameters = inspect.signature(getattr(importlib.import_module(module), function), eval_str=True).parameters
    return any(
        parameter.annotation is Scope and parameter.default is inspect.Parameter.empty
        for parameter in parameters.values()
    )
