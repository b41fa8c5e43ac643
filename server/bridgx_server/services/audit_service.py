"""AuditService: who changed what."""

from __future__ import annotations

import bridgx.v1 as pb
import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from bridgx_server.identities.identity import Role
from bridgx_server.interceptors.caller import current_identity, current_scope
from bridgx_server.services.messages import moment, pager
from bridgx_server.store import audit
from bridgx_server.store.audit import AuditFilter, Record
from bridgx_server.store.database import Store
from bridgx_server.store.paging import PageOf


class AuditService(pb.AuditServiceServicer):
    def __init__(self, store: Store) -> None:
        self._store = store

    def ListAuditRecords(
        self, request: pb.ListAuditRecordsRequest, context: grpc.ServicerContext
    ) -> pb.ListAuditRecordsResponse:
        which = AuditFilter(
            actor=request.caller,
            operation=request.operation,
            resource_kind=request.resource_kind,
            resource=request.resource,
            outcome=request.outcome,
            since=_milliseconds(request.since),
            until=_milliseconds(request.until),
        )
        page = audit.page(
            self._store,
            current_scope(),
            which,
            PageOf.asked(request.page_number, request.page_size),
            about_no_account=current_identity().role is Role.ADMIN,
        )
        return pb.ListAuditRecordsResponse(audit_list=[_record(row) for row in page.rows], pager=pager(page))


def _milliseconds(when: Timestamp) -> int:
    return when.seconds * 1000 + when.nanos // 1_000_000


def _record(row: Record) -> pb.AuditRecord:
    return pb.AuditRecord(
        audit_id=str(row.id),
        at=moment(row.at),
        caller=row.actor,
        caller_kind=row.actor_kind,
        operation=row.operation,
        resource_kind=row.resource_kind,
        resource=row.resource,
        provider=row.provider,
        account=row.account_key,
        outcome=row.outcome,
        message=row.message,
        address=row.address,
        proxy=row.proxy,
        request_id=row.request_id,
        detail=row.detail_json,
    )
