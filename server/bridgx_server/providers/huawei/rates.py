"""What Huawei allows one account, by API. No figures of ECS, VPC and IMS are published, so these are cautious ones."""

from __future__ import annotations

from bridgx_server.providers.gate import RateTable
from bridgx_server.providers.rates import CAUTIOUS

RATES: RateTable = CAUTIOUS
