"""The protos are well made, what is generated from them is current, and their constraints are the manual's."""

from __future__ import annotations

import importlib.util
import io
import itertools
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import bridgx.v1 as pb
import protovalidate
import pytest
from google.api import annotations_pb2
from google.protobuf import message

REPOSITORY = Path(__file__).resolve().parents[2]
BUF = Path(sys.executable).parent / "buf"

OPERATIONS = {
    ("POST", "/api/v1/cluster/create"): "ClusterService.CreateCluster",
    ("GET", "/api/v1/cluster/describe_all"): "ClusterService.ListClusters",
    ("POST", "/api/v1/vpc/create"): "NetworkService.CreateVpc",
    ("GET", "/api/v1/vpc/describe"): "NetworkService.ListVpcs",
    ("POST", "/api/v1/subnet/create"): "NetworkService.CreateSubnet",
    ("GET", "/api/v1/subnet/create"): "NetworkService.CreateSubnet",
    ("GET", "/api/v1/subnet/describe"): "NetworkService.ListSubnets",
    ("POST", "/api/v1/security_group/create_with_rule"): "NetworkService.CreateSecurityGroup",
    ("GET", "/api/v1/security_group/describe"): "NetworkService.ListSecurityGroups",
    ("POST", "/api/v1/network_config/create"): "NetworkService.CreateNetworkConfig",
    ("GET", "/api/v1/region/list"): "ClusterService.ListRegions",
    ("GET", "/api/v1/zone/list"): "ClusterService.ListZones",
    ("GET", "/api/v1/instance_type/list"): "ClusterService.ListInstanceTypes",
    ("GET", "/api/v1/image/list"): "ClusterService.ListImages",
    ("POST", "/api/v1/cluster/expand"): "TaskService.ExpandCluster",
    ("POST", "/api/v1/cluster/shrink"): "TaskService.ShrinkCluster",
    ("GET", "/api/v1/task/list"): "TaskService.ListTasks",
    ("GET", "/api/v1/instance/describe_all"): "InstanceService.ListInstances",
    ("GET", "/api/v1/instance/id/describe"): "InstanceService.GetInstance",
    ("GET", "/api/v1/instance/num"): "InstanceService.CountInstances",
    ("GET", "/api/v1/instance/usage_total"): "FeeService.GetUsageTotal",
    ("GET", "/api/v1/instance/usage_statistics"): "FeeService.ListUsage",
    ("GET", "/api/v1/cluster/describe"): "ClusterService.GetCluster",
    ("POST", "/api/v1/cluster/update"): "ClusterService.UpdateCluster",
    ("POST", "/api/v1/cluster/delete"): "ClusterService.DeleteCluster",
    ("POST", "/api/v1/cluster/expand/plan"): "TaskService.PlanExpand",
    ("POST", "/api/v1/cluster/shrink/plan"): "TaskService.PlanShrink",
    ("POST", "/api/v1/instance/protect"): "InstanceService.ProtectInstances",
    ("POST", "/api/v1/instance/unprotect"): "InstanceService.UnprotectInstances",
    ("POST", "/api/v1/cloud_account/create"): "AccountService.CreateAccount",
    ("GET", "/api/v1/cloud_account/list"): "AccountService.ListAccounts",
    ("POST", "/api/v1/cloud_account/update"): "AccountService.UpdateAccount",
    ("POST", "/api/v1/cloud_account/delete"): "AccountService.DeleteAccount",
    ("GET", "/api/v1/task/describe"): "TaskService.GetTask",
    ("POST", "/api/v1/task/cancel"): "TaskService.CancelTask",
    ("GET", "/api/v1/task/watch"): "TaskService.WatchTask",
    ("GET", "/api/v1/reconcile/report"): "ReconcileService.ListComparisons",
    ("GET", "/api/v1/reconcile/machine/list"): "ReconcileService.ListFindings",
    ("POST", "/api/v1/reconcile/run"): "ReconcileService.StartComparison",
    ("GET", "/api/v1/reconcile/orphan/list"): "ReconcileService.ListOrphans",
    ("POST", "/api/v1/reconcile/orphan/delete"): "ReconcileService.DeleteOrphans",
    ("GET", "/api/v1/reconcile/network/list"): "ReconcileService.ListUnfinishedNetworks",
    ("POST", "/api/v1/token/create"): "TokenService.CreateToken",
    ("GET", "/api/v1/token/list"): "TokenService.ListTokens",
    ("POST", "/api/v1/token/revoke"): "TokenService.RevokeToken",
    ("GET", "/api/v1/audit/list"): "AuditService.ListAuditRecords",
}


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    return _generator_of(REPOSITORY)


@pytest.fixture(scope="module")
def image(generator: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return generator.build_image(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def image_file(image: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("buf") / "image.binpb"
    path.write_bytes(image.SerializeToString())
    return path


def _generator_of(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("bridgx_generate", root / "protos/generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _git(*arguments: str) -> bytes | None:
    """What git says; None where it refuses, or there is no git."""
    try:
        done = subprocess.run(["git", "-C", str(REPOSITORY), *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None


def _git_line(*arguments: str) -> str:
    return (_git(*arguments) or b"").decode().strip()


def _buf(*arguments: str) -> str:
    done = subprocess.run([str(BUF), *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def test_committed_generated_code_is_what_the_protos_generate(generator: ModuleType, tmp_path: Path) -> None:
    generator.generate(tmp_path)
    fresh = {path.relative_to(tmp_path): path for path in tmp_path.rglob("*") if path.is_file()}
    stale = [
        str(name)
        for name, path in fresh.items()
        if not (REPOSITORY / name).is_file() or (REPOSITORY / name).read_bytes() != path.read_bytes()
    ]
    kept = {
        path.relative_to(REPOSITORY)
        for folder in ("bridgx/v1", "buf")
        for path in (REPOSITORY / "clients/python/src" / folder).rglob("*.py*")
        if "__pycache__" not in path.parts
    }
    assert stale == [], "run `make generate`"
    assert kept <= set(fresh), "files that nothing generates any more"


def test_buf_lint_has_nothing_to_say(image_file: Path) -> None:
    assert _buf("lint", str(image_file), "--config", "buf.yaml") == ""


def _published() -> list[str]:
    """The commits whose protos are compared with: the last tag, else the newest that main has too.

    Where that is this very commit, also the newest before it with other protos. Empty where none has protos.
    """
    head = _git_line("rev-parse", "HEAD")
    for name in filter(None, [_git_line("describe", "--tags", "--abbrev=0"), "origin/main", "main", "HEAD"]):
        commit = _git_line("merge-base", "HEAD", name)
        if commit and _has_protos(commit):
            return [commit, *_before(commit)] if commit == head else [commit]
    return []


def _before(commit: str) -> list[str]:
    """The newest on the way to the commit whose protos are not the commit's; empty where there is none."""
    changes = (_git("rev-list", "--first-parent", commit, "--", "protos") or b"").decode().split()
    others = (other for other in changes if _proto_files(other) != _proto_files(commit) and _has_protos(other))
    return list(itertools.islice(others, 1))


def _has_protos(commit: str) -> bool:
    return _git("cat-file", "-e", f"{commit}:protos/generate.py") is not None


def _proto_files(commit: str) -> list[str]:
    listed = (_git("ls-tree", "-r", commit, "protos") or b"").decode().splitlines()
    return [line for line in listed if line.endswith(".proto")]


def _image_of(commit: str, directory: Path) -> Path:
    archive = _git("archive", "--format=tar", commit, "protos")
    assert archive is not None
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(directory, filter="data")
    path = directory / "against.binpb"
    path.write_bytes(_generator_of(directory).build_image(directory).SerializeToString())
    return path


def test_buf_breaking_finds_no_break_with_what_was_published(image_file: Path, tmp_path: Path) -> None:
    commits = _published()
    if commits in ([], [_git_line("rev-parse", "HEAD")]):
        whole = _git_line("rev-parse", "--is-shallow-repository") == "false"
        if os.environ.get("CI") and not whole:
            pytest.fail("no history to compare the protos with: clone the whole of it, not a shallow part")
        pytest.skip("no earlier commit has other protos" if whole else "no history to compare the protos with")
    for commit in commits:
        against = _image_of(commit, tmp_path / commit)
        assert _buf("breaking", str(image_file), "--against", str(against), "--config", "buf.yaml") == "", commit


def test_every_operation_of_the_manual_has_its_route(generator: ModuleType, image: Any) -> None:
    found = {(r.method, r.path): r.operation.removeprefix("bridgx.v1.") for r in generator.routes(image)}
    assert found == OPERATIONS


def test_every_json_name_is_written_down(image: Any) -> None:
    # proto3 would make camelCase of a name that is not; the manual knows snake_case and PascalCase alone.
    for file in (file for file in image.file if file.package == "bridgx.v1"):
        for kind in file.message_type:
            for field in kind.field:
                words = "".join(word.capitalize() for word in field.name.split("_"))
                assert field.json_name in (field.name, words), f"{kind.name}.{field.name}"


def test_no_answer_carries_a_secret(image: Any) -> None:
    for file in (file for file in image.file if file.package == "bridgx.v1"):
        for kind in (kind for kind in file.message_type if not kind.name.endswith("Request")):
            assert not [f.name for f in kind.field if "password" in f.name or "secret" in f.name], kind.name


def test_every_call_has_a_rest_route_and_a_request_that_can_be_validated(image: Any) -> None:
    for file in image.file:
        for service in file.service:
            for method in service.method:
                assert method.options.HasExtension(annotations_pb2.http), method.name
                kind = getattr(pb, method.input_type.removeprefix(".bridgx.v1."))
                protovalidate.collect_violations(kind())  # a rule that does not compile raises


def _refused(request: message.Message) -> list[str]:
    """The fields that a request is refused for; a rule over several fields is named `<field>.<rule>`."""
    fields = []
    for violation in protovalidate.collect_violations(request):
        elements = violation.proto.field.elements if violation.proto.field else []
        path = ".".join(element.field_name for element in elements)
        rule = violation.proto.rule_id
        generic = rule.split(".")[0] in ("string", "int32", "repeated", "map", "required")
        fields.append(path if generic or (path and path == rule.split(".")[0]) else f"{path}|{rule}".strip("|"))
    return sorted(set(fields))


def _cluster(**changes: Any) -> pb.CreateClusterRequest:
    fields: dict[str, Any] = {
        "name": "test cluster",
        "provider": "AlibabaCloud",
        "account_key": "LTAI5t7qCv**Fh3hzSYpSv",
        "charge_type": "PostPaid",
        "region_id": "cn-qingdao",
        "zone_id": "cn-qingdao-b",
        "instance_type": "ecs.n1.tiny",
        "image": "centos_7_6_x64_20G_alibase_20211030.vhd",
        "password": "********",
        "desc": "cluster for testing",
        "network_config": pb.NetworkConfig(vpc="vpc-m5", subnet_id="vsw-m5", security_group="sg-m5"),
        "disks": pb.DiskConfig(
            system_disk=pb.Disk(category="cloud_efficiency", size=50),
            data_disk=[pb.Disk(category="cloud_efficiency", size=50)],
        ),
    }
    return pb.CreateClusterRequest(**{**fields, **changes})


def _placement(**changes: Any) -> pb.Placement:
    fields = {"zone_id": "cn-qingdao-b", "subnet_id": "vsw-m5", "instance_type": "ecs.n1.tiny"}
    return pb.Placement(**{**fields, **changes})


def _rule(**changes: Any) -> pb.SecurityGroupRule:
    fields = {"protocol": "tcp", "port_range": "22/22", "direction": "ingress", "cidr_ip": "10.0.0.0/8"}
    return pb.SecurityGroupRule(**{**fields, **changes})


def _vpc(**changes: Any) -> pb.CreateVpcRequest:
    return pb.CreateVpcRequest(
        **{"provider": "AlibabaCloud", "region_id": "cn-hangzhou", "vpc_name": "abc", "ak": "key", **changes}
    )


def _subnet(**changes: Any) -> pb.CreateSubnetRequest:
    return pb.CreateSubnetRequest(
        **{"zone_id": "z", "cidr_block": "172.16.0.0/24", "vpc_id": "vpc-1", "switch_name": "VSwitch-1", **changes}
    )


def _network(**changes: Any) -> pb.CreateNetworkConfigRequest:
    fields = {
        "provider": "AlibabaCloud",
        "region_id": "cn-qingdao",
        "cidr_block": "172.16.0.0/12",
        "vpc_name": "abc",
        "zone_id": "cn-qigndao-b",
        "switch_cidr_block": "172.16.0.0/24",
        "switch_name": "VSwitch-1",
        "security_group_name": "testSecurityGroupName",
        "security_group_type": "normal",
        "ak": "key",
    }
    return pb.CreateNetworkConfigRequest(**{**fields, **changes})


def _accepted() -> Iterator[message.Message]:
    yield _cluster()
    yield _cluster(charge_type="", charge_config=pb.ChargeConfig(charge_type="PrePaid", period_unit="Month", period=60))
    yield _cluster(charge_type="PrePaid", charge_config=pb.ChargeConfig(period_unit="Week", period=4))
    yield _cluster(disks=pb.DiskConfig(system_disk=pb.Disk(category="c", size=1)), tags={"team": "a"})
    yield _cluster(placements=[_placement(), _placement(zone_id="cn-qingdao-c")], termination_policy="newest")
    bare = pb.NetworkConfig(vpc="vpc-m5", security_group="sg-m5")
    yield _cluster(zone_id="", instance_type="", network_config=bare, placements=[_placement()])
    zones = [pb.ZonePlacement(zone_id="cn-qingdao-c", subnet_id="vsw-2")]
    yield _cluster(zone_id="", network_config=bare, zones=zones, instance_types=["ecs.n1.tiny", "ecs.n1.small"])
    yield pb.UpdateClusterRequest(cluster_name="a", max_machines=100000)
    yield pb.UpdateClusterRequest(cluster_name="a", desc="")
    yield pb.ShrinkClusterRequest(task_name="a", cluster_name="b", count=1, termination_policy="newest")
    yield pb.ProtectInstancesRequest(cluster_name="a", instance_ids=["i-1"], ips=["10.0.0.1"])
    yield _vpc()
    yield _vpc(cidr_block="192.168.4.0/24", vpc_name="网络a.b_c-1")
    yield _vpc(cidr_block="10.0.0.0/8", vpc_name="a" * 64)
    yield _subnet(switch_name="The first switch")
    yield _subnet(cidr_block="10.0.0.0/29")
    yield _network(vpc_name="a" * 128)
    yield pb.CreateSecurityGroupRequest(
        vpc_id="v",
        security_group_name="The first security group tested",
        rules=[
            _rule(group_id="sg-1"),
            _rule(protocol="udp", port_range="1/65535", direction="egress"),
            _rule(protocol="icmp", port_range="-1/-1", cidr_ip="", group_id="sg-1"),
        ],
    )
    yield pb.ExpandClusterRequest(task_name="a", cluster_name="b", count=10000, request_id="2024:a.b_c-1")
    yield pb.ShrinkClusterRequest(task_name="a", cluster_name="b", count=1)
    yield pb.ShrinkClusterRequest(task_name="a", cluster_name="b", ips=["10.0.0.1", "10.0.0.2"])
    yield pb.ShrinkClusterRequest(task_name="a", cluster_name="b", ips=["10.0.0.1"], count=1)
    yield pb.ShrinkClusterRequest(task_name="a", cluster_name="b", instance_ids=["i-1", "i-2"])
    yield pb.ShrinkClusterRequest(task_name="a", cluster_name="b", instance_ids=["i-1"], count=1)
    yield pb.ListInstancesRequest(status="running,deleted")
    yield pb.ListInstancesRequest(status="Running, LOST", page_size=5000)
    yield pb.ListUsageRequest(date="2021-10-11")
    yield pb.GetUsageTotalRequest()


@pytest.mark.parametrize("request_", list(_accepted()), ids=lambda r: type(r).__name__)
def test_what_the_manual_allows_is_accepted(request_: message.Message) -> None:
    assert _refused(request_) == []


def _refusals_of_placements() -> Iterator[tuple[message.Message, list[str]]]:
    for name in ("zone_id", "instance_type"):
        yield _cluster(**{name: ""}), [f"{name}.required"]
    yield (
        _cluster(network_config=pb.NetworkConfig(vpc="vpc-m5", security_group="sg-m5")),
        ["network_config.subnet_id.required"],
    )
    yield _cluster(placements=[_placement(zone_id="")]), ["placements.zone_id", "zone_id.agree"]
    yield _cluster(placements=[_placement(zone_id="cn-qingdao-c")]), ["zone_id.agree"]
    yield _cluster(placements=[_placement(subnet_id="vsw-2")]), ["network_config.subnet_id.agree"]
    yield _cluster(placements=[_placement(instance_type="ecs.g6.large")]), ["instance_type.agree"]
    yield _cluster(placements=[_placement()] * 65), ["placements"]
    yield _cluster(placements=[_placement()], instance_types=["ecs.n1.tiny"]), ["placements.alone"]
    yield _cluster(instance_types=["ecs.n1.tiny"] * 2), ["instance_types"]
    yield _cluster(instance_types=["ecs.n1.small", "ecs.n1.tiny"]), ["instance_type.agree"]
    yield _cluster(termination_policy="Oldest"), ["termination_policy"]


def _refusals_of_guards() -> Iterator[tuple[message.Message, list[str]]]:
    yield pb.UpdateClusterRequest(cluster_name="a"), ["max_machines.any"]
    yield pb.UpdateClusterRequest(cluster_name="a", max_machines=0), ["max_machines"]
    yield pb.UpdateClusterRequest(cluster_name="a", termination_policy=""), ["termination_policy"]
    yield pb.DeleteClusterRequest(), ["cluster_name"]
    yield pb.PlanExpandRequest(cluster_name="a"), ["count"]
    yield pb.PlanShrinkRequest(cluster_name="a"), ["count.required"]
    for shrink in (pb.ShrinkClusterRequest(task_name="a"), pb.PlanShrinkRequest()):
        shrink.cluster_name, shrink.termination_policy = "a", "oldest"
        shrink.ips.append("10.0.0.1")
        yield shrink, ["termination_policy.named"]
    for what, rules in (
        ({"instance_ids": ["i-1"], "termination_policy": "oldest"}, ["termination_policy.named"]),
        ({"instance_ids": ["i-1"], "count": 2}, ["count.instance_ids"]),
        ({"instance_ids": ["i-1"], "ips": ["10.0.0.1"]}, ["instance_ids.ips"]),
        ({"instance_ids": ["i-1", "i-1"]}, ["instance_ids"]),
        ({"instance_ids": [""]}, ["instance_ids"]),
    ):
        yield pb.ShrinkClusterRequest(task_name="a", cluster_name="a", **what), rules  # type: ignore[arg-type]
        yield pb.PlanShrinkRequest(cluster_name="a", **what), rules  # type: ignore[arg-type]
    for protect in (pb.ProtectInstancesRequest(cluster_name="a"), pb.UnprotectInstancesRequest(cluster_name="a")):
        yield protect, ["instance_ids.any"]
    yield pb.ProtectInstancesRequest(cluster_name="a", ips=["here"]), ["ips"]


def _refusals() -> Iterator[tuple[message.Message, list[str]]]:
    for name in ("name", "region_id", "image", "password", "account_key", "provider"):
        yield _cluster(**{name: ""}), [name]
    yield from _refusals_of_placements()
    yield from _refusals_of_guards()
    yield _cluster(network_config=None), ["network_config"]
    yield _cluster(disks=None), ["disks"]
    yield _cluster(disks=pb.DiskConfig()), ["disks.system_disk"]
    yield _cluster(provider="Alibaba"), ["provider"]
    yield _cluster(password="short"), ["password"]
    yield _cluster(charge_type="Free"), ["charge_type"]
    yield _cluster(charge_type="PrePaid"), ["charge_config.period"]
    yield (
        _cluster(charge_config=pb.ChargeConfig(charge_type="PrePaid", period_unit="Week", period=1)),
        ["charge_type.agree"],
    )
    yield pb.ChargeConfig(charge_type="PrePaid", period=1), ["period_unit.required"]
    yield pb.ChargeConfig(charge_type="PrePaid", period_unit="Month", period=10), ["period.range"]
    yield pb.ChargeConfig(charge_type="PrePaid", period_unit="Week", period=5), ["period.range"]
    yield pb.ChargeConfig(charge_type="PrePaid", period_unit="Year", period=1), ["period_unit"]
    for name in ("a", "a" * 65, "1abc", "http://a", "a b", "a/b"):
        yield _vpc(vpc_name=name), ["vpc_name"]
    for block in ("8.8.8.0/24", "10.0.0.0/25", "172.16.0.0/11", "10.1.0.0/8", "10.0.0.0", "::/8", "10.0.0.0/7"):
        yield _vpc(cidr_block=block), ["cidr_block"]
    for block in ("", "10.0.0.0/15", "10.0.0.0/30", "10.0.0.1/24"):
        yield _subnet(cidr_block=block), ["cidr_block"]
    for name in ("a", "a" * 129, "1a", "http://a", "HTTPS://a", "-a"):
        yield _subnet(switch_name=name), ["switch_name"]
    yield _network(cidr_block=""), ["cidr_block"]
    yield _network(security_group_type=""), ["security_group_type"]
    group = pb.CreateSecurityGroupRequest(vpc_id="v", security_group_name="sg")
    yield group, ["rules"]
    too_many = pb.CreateSecurityGroupRequest(vpc_id="v", security_group_name="sg", rules=[_rule()] * 201)
    yield too_many, ["rules"]
    yield _rule(cidr_ip=""), ["cidr_ip.required"]
    yield _rule(cidr_ip="10.0.0.1/8"), ["cidr_ip"]
    yield _rule(protocol="TCP"), ["protocol"]
    yield _rule(direction="in"), ["direction"]
    for ports in ("22", "0/22", "22/21", "1/65536", "-1/-1", "a/b"):
        yield _rule(port_range=ports), ["port_range.protocol"]
    yield _rule(protocol="all", port_range="1/2"), ["port_range.protocol"]
    for count in (0, -1, 10001):
        yield pb.ExpandClusterRequest(task_name="a", cluster_name="b", count=count), ["count"]
    yield pb.ExpandClusterRequest(task_name="a", cluster_name="b", count=1, ips=["10.0.0.1"]), ["ips"]
    yield pb.ShrinkClusterRequest(task_name="a", cluster_name="b"), ["count.required"]
    yield pb.ShrinkClusterRequest(task_name="a", cluster_name="b", ips=["10.0.0.1"], count=2), ["count.ips"]
    yield pb.ShrinkClusterRequest(task_name="a", cluster_name="b", ips=["10.0.0.1"] * 2), ["ips"]
    yield pb.ShrinkClusterRequest(task_name="a", cluster_name="b", ips=["here"]), ["ips"]
    yield pb.ListTasksRequest(page_number=-1), ["page_number"]
    yield pb.ListTasksRequest(page_size=-1), ["page_size"]
    yield pb.ListInstancesRequest(status="running;deleted"), ["status"]
    yield pb.ListInstancesRequest(ip="10.0.0"), ["ip"]
    yield pb.ListUsageRequest(date="2021-13-01"), ["date"]
    yield pb.GetUsageTotalRequest(date="10/11/2021"), ["date"]
    yield (
        pb.CreateAccountRequest(
            provider="AWSCloud", account_name="a", account_key="k", account_secret="s" * 16, project_id="p"
        ),
        ["project_id.provider"],
    )


@pytest.mark.parametrize(("request_", "fields"), list(_refusals()), ids=lambda value: type(value).__name__)
def test_what_the_manual_forbids_is_refused_by_field(request_: message.Message, fields: list[str]) -> None:
    assert _refused(request_) == fields
