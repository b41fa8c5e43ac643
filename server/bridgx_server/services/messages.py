"""Values as messages: times, pages, bounded integers."""

from __future__ import annotations

from typing import Any

import bridgx.v1 as pb
from google.protobuf.timestamp_pb2 import Timestamp

from bridgx_server.store.paging import Page

INT32_MAX = 2**31 - 1


def moment(milliseconds: int) -> Timestamp | None:
    """A time in ms since the epoch; None, so that the field stays absent, where it is 0.

    REST shows whole seconds, as the manual does.
    """
    return Timestamp(seconds=milliseconds // 1000) if milliseconds else None


def instant(milliseconds: int) -> Timestamp | None:
    """The same to the millisecond, where times are compared with each other."""
    return Timestamp(seconds=milliseconds // 1000, nanos=milliseconds % 1000 * 1_000_000) if milliseconds else None


def pager(page: Page[Any]) -> pb.Pager:
    """Where a page lies."""
    return pb.Pager(page_number=page.number, page_size=page.size, total=min(page.total, INT32_MAX))


def network_pager(page: Page[Any]) -> pb.NetworkPager:
    """The same for the network lists."""
    return pb.NetworkPager(page_number=page.number, page_size=page.size, total=min(page.total, INT32_MAX))
