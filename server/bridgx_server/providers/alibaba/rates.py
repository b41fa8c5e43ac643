"""What Alibaba allows one account in one region, by API.

Alibaba counts an API's calls in a window of a minute; one that was throttled in a minute is free in the next ("API
throttling" of the ECS documentation). The ECS figures are shown in each account's quota centre only, so ours are
cautious; those of VPC are published.
"""

from __future__ import annotations

from bridgx_server.providers.gate import ApiLimit, RateTable
from bridgx_server.providers.rates import UNPUBLISHED, window

VPC_QUOTA = "VPC developer reference, API rate quotas 2016-04-28: CreateVSwitch 300 a minute"
ECS_MACHINES = "ECS developer reference, API throttling: 5,000 instances a minute and account"

RATES: RateTable = (
    # The machines are counted over all regions together.
    ApiLimit(
        "RunInstances",
        window(120, 60),
        window(5000, 60),
        regional=False,
        source=f"{ECS_MACHINES}; calls {UNPUBLISHED}",
    ),
    ApiLimit("CreateVSwitch", window(300, 60), source=VPC_QUOTA),
    *(
        ApiLimit(api, window(300, 60), source=f"as its sibling: {VPC_QUOTA}")
        for api in ("CreateVpc", "DeleteVpc", "DeleteVSwitch", "DescribeVpcs", "DescribeVSwitches")
    ),
    ApiLimit("GetCallerIdentity", window(100, 1), regional=False, source="STS developer reference: 100 a second"),
    ApiLimit("Describe*", window(300, 60), source=UNPUBLISHED),
    ApiLimit("*", window(120, 60), source=UNPUBLISHED),
)
