"""The client: the generated stubs over one channel, lists as iterators, and waiting for a task."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

import grpc

from bridgx import v1
from bridgx.channel import INITIAL_BACKOFF, MAX_BACKOFF, open_channel
from bridgx.tls import Tls, refuse_plaintext_token

DEFAULT_TIMEOUT = 30.0  # seconds, of a call
PAGE_SIZE = 50  # rows; the most that the server gives at once
ENDED = frozenset({"SUCCESS", "PARTIAL_SUCCESS", "FAILED", "CANCELED"})  # statuses after which a task changes no more


class _Paged(Protocol):
    page_number: int
    page_size: int


class _Pager(Protocol):
    @property
    def total(self) -> int: ...


_Request = TypeVar("_Request", bound=_Paged)
_Row = TypeVar("_Row")


class Client:
    """A connection to BridgX. It is thread-safe, and connects when it is first used.

    Every call of the API stands on the stub of its service, with its documentation:
    `client.clusters.CreateCluster(v1.CreateClusterRequest(...))`. A failed call raises grpc.RpcError; `failure_of`
    reads the reason out of it.

    Attributes:
        accounts, audit, clusters, fees, instances, networks, reconcile, tasks, tokens: the stubs.
    """

    def __init__(
        self,
        address: str,
        token: str | None = None,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        tls: Tls | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        insecure_plaintext: bool = False,
    ) -> None:
        """Sets the channel up.

        Args:
            address: "host:port" of the gRPC server, or of Envoy before it.
            token: the bearer token.
            timeout: seconds that a call may take when it does not say otherwise; streams have no limit.
            tls: TLS from files; absent: no TLS, which is for loopback.
            credentials: instead of `tls`, credentials of gRPC's own kind.
            insecure_plaintext: lets the token travel without TLS beyond loopback, where everyone on the way can read it.

        Raises:
            ValueError: a token without TLS to another machine, or both `tls` and `credentials`.
            OSError: a file of `tls` cannot be read.
        """
        if tls is not None:
            if credentials is not None:
                raise ValueError("tls and credentials exclude each other")
            credentials = tls.credentials()
        if token and credentials is None and not insecure_plaintext:
            refuse_plaintext_token(address)
        self._channel = open_channel(address, token, timeout, credentials)
        self.accounts = v1.AccountServiceStub(self._channel)
        self.audit = v1.AuditServiceStub(self._channel)
        self.clusters = v1.ClusterServiceStub(self._channel)
        self.fees = v1.FeeServiceStub(self._channel)
        self.instances = v1.InstanceServiceStub(self._channel)
        self.networks = v1.NetworkServiceStub(self._channel)
        self.reconcile = v1.ReconcileServiceStub(self._channel)
        self.tasks = v1.TaskServiceStub(self._channel)
        self.tokens = v1.TokenServiceStub(self._channel)

    def close(self) -> None:
        """Closes the channel; calls under way are canceled."""
        self._channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # The lists, all pages of them. What is added meanwhile at the top of a list moves rows to the next page, so that a
    # row may come twice.

    def list_accounts(self, request: v1.ListAccountsRequest | None = None) -> Iterator[v1.Account]:
        """Every account that matches; the request's page says where to begin and how many rows to fetch at once."""

        def fetch(page: v1.ListAccountsRequest) -> tuple[Iterable[v1.Account], _Pager]:
            answer = self.accounts.ListAccounts(page)
            return answer.account_list, answer.pager

        return _rows(_copy(v1.ListAccountsRequest(), request), fetch)

    def list_audit_records(self, request: v1.ListAuditRecordsRequest | None = None) -> Iterator[v1.AuditRecord]:
        """Every row of the audit that matches, as `list_accounts` does."""

        def fetch(page: v1.ListAuditRecordsRequest) -> tuple[Iterable[v1.AuditRecord], _Pager]:
            answer = self.audit.ListAuditRecords(page)
            return answer.audit_list, answer.pager

        return _rows(_copy(v1.ListAuditRecordsRequest(), request), fetch)

    def list_clusters(self, request: v1.ListClustersRequest | None = None) -> Iterator[v1.Cluster]:
        """Every cluster that matches, as `list_accounts` does."""

        def fetch(page: v1.ListClustersRequest) -> tuple[Iterable[v1.Cluster], _Pager]:
            answer = self.clusters.ListClusters(page)
            return answer.cluster_list, answer.pager

        return _rows(_copy(v1.ListClustersRequest(), request), fetch)

    def list_vpcs(self, request: v1.ListVpcsRequest | None = None) -> Iterator[v1.Vpc]:
        """Every VPC that matches, as `list_accounts` does."""

        def fetch(page: v1.ListVpcsRequest) -> tuple[Iterable[v1.Vpc], _Pager]:
            answer = self.networks.ListVpcs(page)
            return answer.vpcs, answer.pager

        return _rows(_copy(v1.ListVpcsRequest(), request), fetch)

    def list_subnets(self, request: v1.ListSubnetsRequest) -> Iterator[v1.Subnet]:
        """Every subnet that matches, as `list_accounts` does."""

        def fetch(page: v1.ListSubnetsRequest) -> tuple[Iterable[v1.Subnet], _Pager]:
            answer = self.networks.ListSubnets(page)
            return answer.switches, answer.pager

        return _rows(_copy(v1.ListSubnetsRequest(), request), fetch)

    def list_security_groups(self, request: v1.ListSecurityGroupsRequest) -> Iterator[v1.SecurityGroup]:
        """Every security group that matches, as `list_accounts` does."""

        def fetch(page: v1.ListSecurityGroupsRequest) -> tuple[Iterable[v1.SecurityGroup], _Pager]:
            answer = self.networks.ListSecurityGroups(page)
            return answer.groups, answer.pager

        return _rows(_copy(v1.ListSecurityGroupsRequest(), request), fetch)

    def list_tasks(self, request: v1.ListTasksRequest | None = None) -> Iterator[v1.Task]:
        """Every task that matches, as `list_accounts` does."""

        def fetch(page: v1.ListTasksRequest) -> tuple[Iterable[v1.Task], _Pager]:
            answer = self.tasks.ListTasks(page)
            return answer.task_list, answer.pager

        return _rows(_copy(v1.ListTasksRequest(), request), fetch)

    def list_instances(self, request: v1.ListInstancesRequest | None = None) -> Iterator[v1.Instance]:
        """Every machine that matches, as `list_accounts` does."""

        def fetch(page: v1.ListInstancesRequest) -> tuple[Iterable[v1.Instance], _Pager]:
            answer = self.instances.ListInstances(page)
            return answer.instance_list, answer.pager

        return _rows(_copy(v1.ListInstancesRequest(), request), fetch)

    def list_usage(self, request: v1.ListUsageRequest | None = None) -> Iterator[v1.InstanceUsage]:
        """Every machine that was up on the day, as `list_accounts` does."""

        def fetch(page: v1.ListUsageRequest) -> tuple[Iterable[v1.InstanceUsage], _Pager]:
            answer = self.fees.ListUsage(page)
            return answer.instance_list, answer.pager

        return _rows(_copy(v1.ListUsageRequest(), request), fetch)

    def list_tokens(self, request: v1.ListTokensRequest | None = None) -> Iterator[v1.Token]:
        """Every token that was given out, as `list_accounts` does."""

        def fetch(page: v1.ListTokensRequest) -> tuple[Iterable[v1.Token], _Pager]:
            answer = self.tokens.ListTokens(page)
            return answer.token_list, answer.pager

        return _rows(_copy(v1.ListTokensRequest(), request), fetch)

    def list_comparisons(self, request: v1.ListComparisonsRequest | None = None) -> Iterator[v1.Comparison]:
        """The last comparison of every account and region that matches, as `list_accounts` does."""

        def fetch(page: v1.ListComparisonsRequest) -> tuple[Iterable[v1.Comparison], _Pager]:
            answer = self.reconcile.ListComparisons(page)
            return answer.comparison_list, answer.pager

        return _rows(_copy(v1.ListComparisonsRequest(), request), fetch)

    def list_findings(self, request: v1.ListFindingsRequest | None = None) -> Iterator[v1.Finding]:
        """Every machine that was found different and matches, as `list_accounts` does."""

        def fetch(page: v1.ListFindingsRequest) -> tuple[Iterable[v1.Finding], _Pager]:
            answer = self.reconcile.ListFindings(page)
            return answer.machine_list, answer.pager

        return _rows(_copy(v1.ListFindingsRequest(), request), fetch)

    def list_orphans(self, request: v1.ListOrphansRequest | None = None) -> Iterator[v1.Orphan]:
        """Every orphan that matches, as `list_accounts` does."""

        def fetch(page: v1.ListOrphansRequest) -> tuple[Iterable[v1.Orphan], _Pager]:
            answer = self.reconcile.ListOrphans(page)
            return answer.orphan_list, answer.pager

        return _rows(_copy(v1.ListOrphansRequest(), request), fetch)

    def wait_task(
        self,
        task_id: str,
        *,
        timeout: float | None = None,
        on_progress: Callable[[v1.WatchTaskResponse], None] | None = None,
    ) -> v1.TaskDetail:
        """Waits until a task has ended, however it ends, and returns it: look at its `status`.

        A server that goes away meanwhile is waited for.

        Args:
            task_id: the task.
            timeout: seconds; None waits for ever.
            on_progress: called with each state on the way, the last one included.

        Raises:
            TimeoutError: the task has not ended in time; it goes on.
            grpc.RpcError: there is no such task, or the token is not good.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        backoff = INITIAL_BACKOFF
        while True:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise TimeoutError(f"task {task_id} has not ended within {timeout:g} s")
            try:
                for state in self.tasks.WatchTask(v1.WatchTaskRequest(task_id=task_id), timeout=left):
                    if state.HasField("end"):
                        continue  # says again what was said, and that no more comes; the status follows
                    backoff = INITIAL_BACKOFF
                    if on_progress:
                        on_progress(state)
                    if state.status in ENDED:
                        return self.tasks.GetTask(v1.GetTaskRequest(task_id=task_id)).task
            except grpc.RpcError as error:
                if not _may_pass(error):
                    raise
            time.sleep(backoff if left is None else min(backoff, left))
            backoff = min(2 * backoff, MAX_BACKOFF)


def _may_pass(error: grpc.RpcError) -> bool:
    # DEADLINE_EXCEEDED is our own: the loop sees that the time is up.
    return isinstance(error, grpc.Call) and error.code() in (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    )


_Message = TypeVar("_Message", bound="_Copyable")


class _Copyable(Protocol):
    def MergeFrom(self, other: object) -> None: ...


def _copy(fresh: _Message, request: _Message | None) -> _Message:
    if request is not None:
        fresh.MergeFrom(request)
    return fresh


def _rows(request: _Request, fetch: Callable[[_Request], tuple[Iterable[_Row], _Pager]]) -> Iterator[_Row]:
    request.page_number = request.page_number or 1
    request.page_size = min(request.page_size or PAGE_SIZE, PAGE_SIZE)
    while True:
        rows, pager = fetch(request)
        yield from rows
        if request.page_number * request.page_size >= pager.total:
            return
        request.page_number += 1
