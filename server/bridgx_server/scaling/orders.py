"""What the cloud is asked for: machines of a template at one of its placements."""

from __future__ import annotations

from bridgx_server.providers.base import CreateMachines
from bridgx_server.scaling import tags
from bridgx_server.scaling.engine import Engine, Template
from bridgx_server.store import chunks
from bridgx_server.store.chunks import Chunk, Placement

DRY_TOKEN = "00000000-0000-5000-8000-000000000000"
DRY_TAGS = {tags.INSTALLATION: "x" * 36, tags.CLUSTER: "1", tags.TASK: "1", tags.CHUNK: "x" * 36}


def order_for(engine: Engine, template: Template, chunk: Chunk) -> CreateMachines:
    """The order for a chunk's machines."""
    return _order(
        template,
        Placement(chunk.placement, chunk.zone_id, chunk.subnet_id, chunk.instance_type),
        count=chunk.asked,
        token=chunk.token,
        name=f"bridgx-{template.cluster_id}-{chunk.task_id}-{chunk.position}",
        tagged=tags.of_chunk(chunks.installation(engine.store), template, chunk),
    )


def dry_order(template: Template, place: Placement, count: int, token: str) -> CreateMachines:
    """The same order, to be asked about and never given."""
    return _order(
        template, place, count=count, token=token, name="bridgx-dry-run", tagged={**template.tags, **DRY_TAGS}
    )


def _order(
    template: Template, place: Placement, *, count: int, token: str, name: str, tagged: dict[str, str]
) -> CreateMachines:
    return CreateMachines(
        region_id=template.region_id,
        zone_id=place.zone_id,
        instance_type=place.instance_type,
        image_id=template.image_id,
        vpc_id=template.vpc_id,
        subnet_id=place.subnet_id,
        security_group_id=template.security_group_id,
        count=count,
        token=token,
        name=name,
        password=template.password,
        system_disk=template.system_disk,
        data_disks=template.data_disks,
        charge=template.charge,
        bandwidth_mbps=template.bandwidth_mbps,
        internet_charge_type=template.internet_charge_type,
        tags=tagged,
    )
