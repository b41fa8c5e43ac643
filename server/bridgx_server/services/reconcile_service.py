"""ReconcileService: where clouds and inventory differ, and what was left over."""

from __future__ import annotations

from collections.abc import Callable

import bridgx.v1 as pb
import grpc

from bridgx_server.interceptors.caller import current_caller, current_identity, current_scope
from bridgx_server.scaling import removal
from bridgx_server.scaling.engine import Engine
from bridgx_server.services.messages import instant, moment, pager
from bridgx_server.store import comparisons, orphans, requests
from bridgx_server.store.comparisons import Comparison, Finding, PlaceFilter
from bridgx_server.store.orphans import Orphan, OrphanFilter
from bridgx_server.store.paging import PageOf
from bridgx_server.store.requests import Unfinished


class ReconcileService(pb.ReconcileServiceServicer):
    def __init__(self, engine: Engine, wake_worker: Callable[[], None]) -> None:
        """``wake_worker`` is called when there is new work."""
        self._engine = engine
        self._store = engine.store
        self._wake_worker = wake_worker

    def ListComparisons(
        self, request: pb.ListComparisonsRequest, context: grpc.ServicerContext
    ) -> pb.ListComparisonsResponse:
        which = PlaceFilter(request.provider, request.account, request.region_id)
        page = comparisons.page(
            self._store, current_scope(), which, PageOf.asked(request.page_number, request.page_size)
        )
        return pb.ListComparisonsResponse(comparison_list=[_comparison(row) for row in page.rows], pager=pager(page))

    def ListFindings(self, request: pb.ListFindingsRequest, context: grpc.ServicerContext) -> pb.ListFindingsResponse:
        which = PlaceFilter(request.provider, request.account, request.region_id)
        wanted = PageOf.asked(request.page_number, request.page_size)
        page = comparisons.page_findings(self._store, current_scope(), request.kind, which, wanted)
        return pb.ListFindingsResponse(machine_list=[_finding(row) for row in page.rows], pager=pager(page))

    def StartComparison(
        self, request: pb.StartComparisonRequest, context: grpc.ServicerContext
    ) -> pb.StartComparisonResponse:
        which = PlaceFilter(request.provider, request.account, request.region_id)
        places, asked = comparisons.ask(self._store, current_scope(), which)
        self._wake_worker()
        return pb.StartComparisonResponse(places=places, asked_at=instant(asked))

    def ListOrphans(self, request: pb.ListOrphansRequest, context: grpc.ServicerContext) -> pb.ListOrphansResponse:
        which = OrphanFilter(request.provider, request.account, request.region_id)
        page = orphans.page(self._store, current_scope(), which, PageOf.asked(request.page_number, request.page_size))
        return pb.ListOrphansResponse(orphan_list=[_orphan(row) for row in page.rows], pager=pager(page))

    def DeleteOrphans(
        self, request: pb.DeleteOrphansRequest, context: grpc.ServicerContext
    ) -> pb.DeleteOrphansResponse:
        which = OrphanFilter(request.provider, request.account, request.region_id, tuple(request.instance_ids))
        removals = removal.delete_orphans(
            self._engine, current_scope(), which, current_caller(), release_prepaid=request.release_prepaid
        )
        self._wake_worker()
        return pb.DeleteOrphansResponse(
            results=[
                pb.OrphanDeletion(
                    instance_id=row.instance_id,
                    result=row.fate.value,
                    detail=row.detail,
                    account=row.account_key,
                    region_id=row.region_id,
                )
                for row in removals
            ]
        )

    def ListUnfinishedNetworks(
        self, request: pb.ListUnfinishedNetworksRequest, context: grpc.ServicerContext
    ) -> pb.ListUnfinishedNetworksResponse:
        wanted = PageOf.asked(request.page_number, request.page_size)
        page = requests.page_unfinished(self._store, current_scope(), current_identity().key, wanted)
        return pb.ListUnfinishedNetworksResponse(
            request_list=[_unfinished(row) for row in page.rows], pager=pager(page)
        )


def _comparison(row: Comparison) -> pb.Comparison:
    return pb.Comparison(
        provider=row.provider,
        account=row.account_key,
        region_id=row.region_id,
        status=row.status,
        error_class=row.error_class,
        reason=row.reason,
        start_at=instant(row.started_at),
        end_at=instant(row.finished_at),
        success_at=instant(row.succeeded_at),
        next_at=moment(row.due_at),
        listed=row.counts.listed,
        missing=row.counts.missing,
        adopted=row.counts.adopted,
        revived=row.counts.revived,
        orphans=row.counts.orphans,
    )


def _finding(row: Finding) -> pb.Finding:
    return pb.Finding(
        kind=row.kind,
        instance_id=row.instance_id,
        provider=row.provider,
        account=row.account_key,
        region_id=row.region_id,
        cluster_name=row.cluster_name,
        task_id=str(row.task_id) if row.task_id else "",
        first_seen_at=moment(row.first_seen_at),
        last_seen_at=moment(row.seen_at),
        status=row.status.capitalize(),
        reason=row.reason,
    )


def _orphan(row: Orphan) -> pb.Orphan:
    return pb.Orphan(
        instance_id=row.instance_id,
        provider=row.provider,
        account=row.account_key,
        region_id=row.region_id,
        zone_id=row.zone_id,
        instance_type=row.instance_type,
        ip_inner=row.ip_inner,
        state=row.state,
        create_at=moment(row.started_at),
        first_seen_at=moment(row.first_seen_at),
        last_seen_at=moment(row.seen_at),
        reason=row.reason,
        tags=row.tags,
        delete_asked_at=moment(row.delete_asked_at),
        delete_asked_by=row.delete_asked_by,
        delete_failure=row.delete_failure,
        made_by=row.made_by,
    )


def _unfinished(row: Unfinished) -> pb.UnfinishedNetwork:
    return pb.UnfinishedNetwork(
        request_id=row.key.request_id,
        operation=row.key.operation,
        create_by=row.caller,
        create_at=moment(row.created_at),
        attempt_at=moment(row.attempt_at),
        attempts=row.attempts,
        made=[pb.MadeNetwork(kind=made.kind, id=made.id) for made in row.progress.made],
        reason=row.progress.failure,
    )
