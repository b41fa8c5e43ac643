"""FeeService: machine-seconds of a day."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import bridgx.v1 as pb
import grpc

from bridgx_server.errors import InvalidField
from bridgx_server.interceptors.caller import current_scope
from bridgx_server.services.messages import moment, pager
from bridgx_server.store import usage
from bridgx_server.store.database import Store
from bridgx_server.store.paging import PageOf
from bridgx_server.store.usage import Day


class FeeService(pb.FeeServiceServicer):
    def __init__(self, store: Store, zone: ZoneInfo) -> None:
        """``zone`` is where a day begins and ends."""
        self._store = store
        self._zone = zone

    def GetUsageTotal(
        self, request: pb.GetUsageTotalRequest, context: grpc.ServicerContext
    ) -> pb.GetUsageTotalResponse:
        now = self._store.now()
        total = usage.total(self._store, current_scope(), self._day(request.date, now), request.cluster_name, now)
        return pb.GetUsageTotalResponse(usage_total=total)

    def ListUsage(self, request: pb.ListUsageRequest, context: grpc.ServicerContext) -> pb.ListUsageResponse:
        now = self._store.now()
        wanted = PageOf.asked(request.page_number, request.page_size)
        page = usage.page(self._store, current_scope(), self._day(request.date, now), request.cluster_name, now, wanted)
        return pb.ListUsageResponse(
            instance_list=[
                pb.InstanceUsage(
                    id=str(row.id),
                    cluster_name=row.cluster_name,
                    instance_id=row.instance_id,
                    startup_at=moment(row.started_at),
                    shutdown_at=moment(row.stopped_at),
                    startup_time=row.seconds,
                    instance_type=row.instance_type,
                )
                for row in page.rows
            ],
            pager=pager(page),
        )

    def _day(self, text: str, now: int) -> Day:
        if not text:
            return Day.of(datetime.fromtimestamp(now / 1000, UTC).astimezone(self._zone).date(), self._zone)
        try:
            return Day.of(date.fromisoformat(text), self._zone)
        except (ValueError, OverflowError):
            raise InvalidField("date", f"{text} is no day of the calendar") from None
