"""ClusterService: templates, and the catalog to fill one in."""

from __future__ import annotations

import bridgx.v1 as pb
import grpc

from bridgx_server.interceptors.caller import current_idempotency_key, current_identity, current_scope
from bridgx_server.providers.base import Charge, Disk
from bridgx_server.provisioning import clusters as existing
from bridgx_server.provisioning import templates
from bridgx_server.provisioning.accounts import AccountClouds
from bridgx_server.provisioning.catalog import Catalog
from bridgx_server.provisioning.claims import Claims
from bridgx_server.provisioning.once import Attempt, once
from bridgx_server.provisioning.placements import Choice, crossed, listed
from bridgx_server.services.messages import moment, pager
from bridgx_server.store import accounts, clusters
from bridgx_server.store.accounts import Account
from bridgx_server.store.clusters import RANDOM, ClusterTemplate, StoredCluster
from bridgx_server.store.paging import PageOf
from bridgx_server.store.secrets import Keyring


class ClusterService(pb.ClusterServiceServicer):
    """``visibility`` is for how long (seconds) a cloud may not show yet what was made."""

    def __init__(
        self,
        claims: Claims,
        keyring: Keyring,
        clouds: AccountClouds,
        catalog: Catalog,
        default_max_machines: int,
        visibility: float,
    ) -> None:
        self._claims = claims
        self._store = claims.store
        self._keyring = keyring
        self._clouds = clouds
        self._catalog = catalog
        self._default_max_machines = default_max_machines
        self._visibility = visibility

    def CreateCluster(
        self, request: pb.CreateClusterRequest, context: grpc.ServicerContext
    ) -> pb.CreateClusterResponse:
        scope, choice = current_scope(), _choice(request)

        def create(attempt: Attempt) -> str:
            account = accounts.by_key(self._store, scope, request.provider, request.account_key)
            template = _template(request, account, choice, self._default_max_machines)
            return templates.create(
                self._store, self._keyring, self._clouds, self._catalog, template, choice, attempt, self._visibility
            )

        key = request.request_id or current_idempotency_key()
        name = once(self._claims, current_identity(), key, request, create)
        return pb.CreateClusterResponse(cluster_name=name)

    def GetCluster(self, request: pb.GetClusterRequest, context: grpc.ServicerContext) -> pb.GetClusterResponse:
        return pb.GetClusterResponse(cluster=self._detail(request.cluster_name))

    def UpdateCluster(
        self, request: pb.UpdateClusterRequest, context: grpc.ServicerContext
    ) -> pb.UpdateClusterResponse:
        existing.update(
            self._store,
            current_scope(),
            request.cluster_name,
            max_machines=request.max_machines if request.HasField("max_machines") else None,
            description=request.desc if request.HasField("desc") else None,
            termination_policy=request.termination_policy if request.HasField("termination_policy") else None,
        )
        return pb.UpdateClusterResponse(cluster=self._detail(request.cluster_name))

    def DeleteCluster(
        self, request: pb.DeleteClusterRequest, context: grpc.ServicerContext
    ) -> pb.DeleteClusterResponse:
        scope = current_scope()
        name = once(
            self._claims,
            current_identity(),
            request.request_id or current_idempotency_key(),
            request,
            lambda attempt: existing.delete(self._store, scope, request.cluster_name, attempt),
        )
        return pb.DeleteClusterResponse(cluster_name=name)

    def ListClusters(self, request: pb.ListClustersRequest, context: grpc.ServicerContext) -> pb.ListClustersResponse:
        page = clusters.page(
            self._store, current_scope(), request.account, PageOf.asked(request.page_number, request.page_size)
        )
        return pb.ListClustersResponse(
            cluster_list=[
                pb.Cluster(
                    cluster_id=str(cluster.id),
                    cluster_name=cluster.name,
                    provider=cluster.provider,
                    account=cluster.account_key,
                    create_at=moment(cluster.created_at),
                    create_by=cluster.created_by,
                    total_remainder=f"{cluster.used}/{cluster.max_machines}",
                )
                for cluster in page.rows
            ],
            pager=pager(page),
        )

    def ListRegions(self, request: pb.ListRegionsRequest, context: grpc.ServicerContext) -> pb.ListRegionsResponse:
        account = accounts.any_of(self._store, current_scope(), request.provider)
        regions = self._catalog.regions(account.id)
        return pb.ListRegionsResponse(
            regions=[pb.Region(region_id=region.region_id, local_name=region.local_name) for region in regions]
        )

    def ListZones(self, request: pb.ListZonesRequest, context: grpc.ServicerContext) -> pb.ListZonesResponse:
        account = accounts.any_of(self._store, current_scope(), request.provider)
        zones = self._catalog.zones(account.id, request.region_id)
        return pb.ListZonesResponse(zones=[pb.Zone(zone_id=zone.zone_id, local_name=zone.local_name) for zone in zones])

    def ListInstanceTypes(
        self, request: pb.ListInstanceTypesRequest, context: grpc.ServicerContext
    ) -> pb.ListInstanceTypesResponse:
        account = accounts.any_of(self._store, current_scope(), request.provider)
        types = self._catalog.instance_types(account.id, request.region_id, request.zone_id)
        return pb.ListInstanceTypesResponse(
            instance_types=[
                pb.InstanceType(
                    instance_type_family=offer.family,
                    instance_type=offer.name,
                    core=offer.cores,
                    memory=offer.memory_gib,
                )
                for offer in types
            ]
        )

    def ListImages(self, request: pb.ListImagesRequest, context: grpc.ServicerContext) -> pb.ListImagesResponse:
        account = accounts.any_of(self._store, current_scope(), request.provider)
        images = self._catalog.images(account.id, request.region_id)
        return pb.ListImagesResponse(
            images=[pb.Image(os_type=image.os_type, os_name=image.os_name, image_id=image.image_id) for image in images]
        )

    def _detail(self, name: str) -> pb.ClusterDetail:
        return _detail(clusters.describe(self._store, current_scope(), name))


def _choice(request: pb.CreateClusterRequest) -> Choice:
    if request.placements:
        return listed([(row.zone_id, row.subnet_id, row.instance_type) for row in request.placements])
    return crossed(
        [(row.zone_id, row.subnet_id) for row in request.zones],
        list(request.instance_types),
        zone=(request.zone_id, request.network_config.subnet_id),
        instance_type=request.instance_type,
    )


def _template(
    request: pb.CreateClusterRequest, account: Account, choice: Choice, default_max_machines: int
) -> ClusterTemplate:
    network, charge, disks = request.network_config, request.charge_config, request.disks
    return ClusterTemplate(
        name=request.name,
        provider=request.provider,
        account_id=account.id,
        account_key=account.access_key,
        region_id=request.region_id,
        image_id=request.image,
        vpc_id=network.vpc,
        security_group_id=network.security_group,
        internet_charge_type=network.internet_charge_type or "PayByTraffic",
        bandwidth_mbps=network.internet_max_bandwidth_out,
        charge=Charge(charge.charge_type or request.charge_type or "PostPaid", charge.period_unit, charge.period),
        system_disk=Disk(disks.system_disk.category, disks.system_disk.size),
        data_disks=tuple(Disk(disk.category, disk.size) for disk in disks.data_disk),
        tags=dict(request.tags),
        placements=choice.placements,
        password=request.password,
        description=request.desc,
        max_machines=request.max_machines or default_max_machines,
        termination_policy=request.termination_policy or RANDOM,
    )


def _detail(cluster: StoredCluster) -> pb.ClusterDetail:
    template = cluster.template
    return pb.ClusterDetail(
        cluster_id=str(cluster.id),
        cluster_name=template.name,
        provider=template.provider,
        account_key=template.account_key,
        region_id=template.region_id,
        placements=[
            pb.Placement(zone_id=place.zone_id, subnet_id=place.subnet_id, instance_type=place.instance_type)
            for place in template.placements
        ],
        network_config=pb.NetworkConfig(
            vpc=template.vpc_id,
            subnet_id=template.placements[0].subnet_id,
            security_group=template.security_group_id,
            internet_charge_type=template.internet_charge_type,
            internet_max_bandwidth_out=template.bandwidth_mbps,
        ),
        charge_config=pb.ChargeConfig(
            charge_type=template.charge.charge_type,
            period_unit=template.charge.period_unit,
            period=template.charge.period,
        ),
        image=template.image_id,
        disks=pb.DiskConfig(
            system_disk=_disk(template.system_disk), data_disk=[_disk(disk) for disk in template.data_disks]
        ),
        desc=template.description,
        tags=template.tags,
        max_machines=template.max_machines,
        termination_policy=template.termination_policy,
        create_at=moment(cluster.created_at),
        create_by=cluster.created_by,
        used=cluster.used,
        protected_machines=cluster.protected,
        open_tasks=cluster.open_tasks,
    )


def _disk(disk: Disk) -> pb.Disk:
    return pb.Disk(category=disk.category, size=disk.size_gib)
