"""What Tencent allows one account in one region, by API: requests in a second.

Source of the figures of CVM: "API Category" of its API documentation, https://www.tencentcloud.com/document/product/213/33260,
which each action's own page repeats. Half of a second's requests may go at once.
"""

from __future__ import annotations

from bridgx_server.providers.gate import ApiLimit, RateTable
from bridgx_server.providers.rates import CAUTIOUS, window

SOURCE = "CVM API Category, frequency limit"
FREQUENCIES = {
    "RunInstances": 10,
    "TerminateInstances": 10,
    "DescribeInstances": 40,
    "DescribeRegions": 20,
    "DescribeZones": 20,
}

RATES: RateTable = (
    ApiLimit("GetCallerIdentity", window(20, 1, at_once=0.5), source="STS API reference, GetCallerIdentity"),
    *(ApiLimit(api, window(count, 1, at_once=0.5), source=SOURCE) for api, count in FREQUENCIES.items()),
    *CAUTIOUS,
)
