"""What AWS allows one account in one region, by API.

Source of all figures of EC2: "Request throttling for the Amazon EC2 API", https://docs.aws.amazon.com/ec2/latest/devguide/
ec2-api-throttling.html (buckets of request tokens and of resource tokens). All our lists are filtered or paged, so the
smaller bucket for those that are neither is never drawn from.
"""

from __future__ import annotations

from bridgx_server.providers.gate import ApiLimit, Rate, RateTable
from bridgx_server.providers.rates import UNPUBLISHED

SOURCE = "Request throttling for the Amazon EC2 API"

RATES: RateTable = (
    ApiLimit("RunInstances", Rate(2, 5), Rate(2, 1000), source=f"{SOURCE}: uncategorized; resource tokens"),
    ApiLimit("TerminateInstances", Rate(5, 100), Rate(20, 1000), source=f"{SOURCE}: uncategorized; resource tokens"),
    ApiLimit("AuthorizeSecurityGroupIngress", Rate(5, 50), source=f"{SOURCE}: resource-intensive actions"),
    ApiLimit("Describe*", Rate(20, 100), source=f"{SOURCE}: non-mutating actions"),
    ApiLimit("GetCallerIdentity", Rate(5, 10), source=UNPUBLISHED),  # of STS
    ApiLimit("*", Rate(5, 50), source=f"{SOURCE}: mutating actions"),
)
