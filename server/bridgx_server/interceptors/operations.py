"""Every rpc: the least role that may call it, and what it changes. A new rpc needs a row here and nothing else.

``reads(role)`` for one that only looks; ``changes(role, kind, field)`` for one that changes something: the kind of resource it
is about, and the field of the request that names it, for the audit. An rpc without a row is refused, and a test fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bridgx_server.identities.identity import Role

VIEWER, OPERATOR, ADMIN = Role.VIEWER, Role.OPERATOR, Role.ADMIN


@dataclass(frozen=True)
class Operation:
    """``resource_kind`` is empty where nothing is changed; ``named_by`` is a field of the request."""

    role: Role
    resource_kind: str = ""
    named_by: str = ""

    @property
    def changes(self) -> bool:
        """Whether the audit tells of it."""
        return bool(self.resource_kind)


def reads(role: Role) -> Operation:
    """An rpc that changes nothing."""
    return Operation(role)


def changes(role: Role, resource_kind: str, named_by: str) -> Operation:
    """An rpc that changes something."""
    return Operation(role, resource_kind, named_by)


OPERATIONS: Mapping[str, Operation] = {
    "AccountService.CreateAccount": changes(ADMIN, "account", "account_key"),
    "AccountService.DeleteAccount": changes(ADMIN, "account", "account_key"),
    "AccountService.ListAccounts": reads(VIEWER),
    "AccountService.UpdateAccount": changes(ADMIN, "account", "account_key"),
    "AuditService.ListAuditRecords": reads(VIEWER),
    "ClusterService.CreateCluster": changes(OPERATOR, "cluster", "name"),
    "ClusterService.DeleteCluster": changes(OPERATOR, "cluster", "cluster_name"),
    "ClusterService.GetCluster": reads(VIEWER),
    "ClusterService.ListClusters": reads(VIEWER),
    "ClusterService.ListImages": reads(VIEWER),
    "ClusterService.ListInstanceTypes": reads(VIEWER),
    "ClusterService.ListRegions": reads(VIEWER),
    "ClusterService.ListZones": reads(VIEWER),
    "ClusterService.UpdateCluster": changes(OPERATOR, "cluster", "cluster_name"),
    "FeeService.GetUsageTotal": reads(VIEWER),
    "FeeService.ListUsage": reads(VIEWER),
    "InstanceService.CountInstances": reads(VIEWER),
    "InstanceService.GetInstance": reads(VIEWER),
    "InstanceService.ListInstances": reads(VIEWER),
    "InstanceService.ProtectInstances": changes(OPERATOR, "cluster", "cluster_name"),
    "InstanceService.UnprotectInstances": changes(OPERATOR, "cluster", "cluster_name"),
    "NetworkService.CreateNetworkConfig": changes(OPERATOR, "vpc", "vpc_name"),
    "NetworkService.CreateSecurityGroup": changes(OPERATOR, "security_group", "security_group_name"),
    "NetworkService.CreateSubnet": changes(OPERATOR, "subnet", "switch_name"),
    "NetworkService.CreateVpc": changes(OPERATOR, "vpc", "vpc_name"),
    "NetworkService.ListSecurityGroups": reads(VIEWER),
    "NetworkService.ListSubnets": reads(VIEWER),
    "NetworkService.ListVpcs": reads(VIEWER),
    "ReconcileService.DeleteOrphans": changes(OPERATOR, "machine", "instance_ids"),
    "ReconcileService.ListComparisons": reads(VIEWER),
    "ReconcileService.ListFindings": reads(VIEWER),
    "ReconcileService.ListOrphans": reads(VIEWER),
    "ReconcileService.ListUnfinishedNetworks": reads(VIEWER),
    "ReconcileService.StartComparison": changes(OPERATOR, "account", "account"),
    "TaskService.CancelTask": changes(OPERATOR, "task", "task_id"),
    "TaskService.ExpandCluster": changes(OPERATOR, "cluster", "cluster_name"),
    "TaskService.GetTask": reads(VIEWER),
    "TaskService.ListTasks": reads(VIEWER),
    "TaskService.PlanExpand": reads(OPERATOR),
    "TaskService.PlanShrink": reads(VIEWER),
    "TaskService.ShrinkCluster": changes(OPERATOR, "cluster", "cluster_name"),
    "TaskService.WatchTask": reads(VIEWER),
    "TokenService.CreateToken": changes(ADMIN, "token", "name"),
    "TokenService.ListTokens": reads(ADMIN),
    "TokenService.RevokeToken": changes(ADMIN, "token", "token_id"),
}

PREFIX = "/bridgx.v1."


def operation_of(method: str) -> Operation | None:
    """The row of ``/bridgx.v1.TaskService/GetTask``; None where there is none."""
    return OPERATIONS.get(name_of(method))


def name_of(method: str) -> str:
    """``TaskService.GetTask``."""
    return method.removeprefix(PREFIX).replace("/", ".")
