"""What Baidu allows one account, by API. No figures of BCC or VPC are published, so these are cautious ones of ours."""

from __future__ import annotations

from bridgx_server.providers.gate import RateTable
from bridgx_server.providers.rates import CAUTIOUS

RATES: RateTable = CAUTIOUS
