"""Run by test_ambient.py: an adapter with the machine's identity, asked for regions once for every line of its input."""

from __future__ import annotations

import json
import sys

from bridgx_server.providers.base import Credentials, ProviderError, ProviderSettings
from bridgx_server.providers.registry import ProviderRegistry

cloud, endpoint = sys.argv[1:]
registry = ProviderRegistry({cloud: ProviderSettings(endpoint=endpoint)})
project = "demo-project" if cloud == "HuaweiCloud" else ""
provider = registry.get(Credentials(cloud, "the machine", "", project, ambient=True))
for _ in sys.stdin:
    try:
        regions = [region.region_id for region in provider.list_regions()]
        zones = [zone.zone_id for zone in provider.list_zones(regions[0])]
        print(json.dumps({"regions": len(regions), "zones": len(zones)}), flush=True)
    except ProviderError as error:
        print(json.dumps({"kind": error.kind, "field": error.field, "message": error.message}), flush=True)
