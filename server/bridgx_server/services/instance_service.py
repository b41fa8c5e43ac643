"""InstanceService: the machines."""

from __future__ import annotations

import bridgx.v1 as pb
import grpc

from bridgx_server.interceptors.caller import current_scope
from bridgx_server.scaling import choice
from bridgx_server.services.messages import moment, pager
from bridgx_server.store import clusters, listing, networks
from bridgx_server.store.database import Store
from bridgx_server.store.listing import MachineFilter, MachineLine
from bridgx_server.store.paging import PageOf


class InstanceService(pb.InstanceServiceServicer):
    def __init__(self, store: Store) -> None:
        self._store = store

    def ListInstances(
        self, request: pb.ListInstancesRequest, context: grpc.ServicerContext
    ) -> pb.ListInstancesResponse:
        which = MachineFilter(
            account_key=request.account,
            instance_id=request.instance_id,
            ip=request.ip,
            provider=request.provider,
            cluster_name=request.cluster_name,
            statuses=tuple(word.strip().lower() for word in request.status.split(",") if word.strip()),
        )
        page = listing.page_machines(
            self._store, current_scope(), which, PageOf.asked(request.page_number, request.page_size)
        )
        return pb.ListInstancesResponse(instance_list=[_line(row) for row in page.rows], pager=pager(page))

    def GetInstance(self, request: pb.GetInstanceRequest, context: grpc.ServicerContext) -> pb.GetInstanceResponse:
        machine = listing.get_machine(self._store, current_scope(), request.instance_id)
        shape = clusters.shape_of(self._store, current_scope(), machine.cluster_id, machine.chunk_id)
        vpc, subnet, group = networks.names_of(
            self._store, current_scope(), shape.account_id, shape.vpc_id, shape.subnet_id, shape.security_group_id
        )
        return pb.GetInstanceResponse(
            instance=pb.InstanceDetail(
                instance_id=machine.instance_id,
                provider=machine.provider,
                region_id=machine.region_id,
                image_id=machine.image_id,
                instance_type=machine.instance_type,
                ip_inner=machine.ip_inner,
                ip_outer=machine.ip_outer,
                create_at=moment(machine.created_at),
                storage_config=pb.InstanceStorage(
                    system_disk_type=shape.system_disk.category,
                    system_disk_size=shape.system_disk.size_gib,
                    data_disks=[
                        pb.InstanceDataDisk(data_disk_type=disk.category, data_disk_size=disk.size_gib)
                        for disk in shape.data_disks
                    ],
                    data_disk_num=len(shape.data_disks),
                ),
                network_config=pb.InstanceNetwork(vpc_name=vpc, subnet_id_name=subnet, security_group_name=group),
                zone_id=machine.zone_id,
                cluster_name=machine.cluster_name,
                status=machine.status.capitalize(),
                task_id=str(machine.task_id),
                protected=machine.protected,
                deletion_refusal=machine.deletion_refusal,
                deletion_refused_at=moment(machine.deletion_refused_at),
                charge_type=machine.charge_type,
                expire_at=moment(machine.expires_at),
            )
        )

    def CountInstances(
        self, request: pb.CountInstancesRequest, context: grpc.ServicerContext
    ) -> pb.CountInstancesResponse:
        number = listing.count_running(self._store, current_scope(), request.account, request.cluster_name)
        return pb.CountInstancesResponse(instance_num=number)

    def ProtectInstances(
        self, request: pb.ProtectInstancesRequest, context: grpc.ServicerContext
    ) -> pb.ProtectInstancesResponse:
        return pb.ProtectInstancesResponse(instance_ids=self._protect(request, protected=True))

    def UnprotectInstances(
        self, request: pb.UnprotectInstancesRequest, context: grpc.ServicerContext
    ) -> pb.UnprotectInstancesResponse:
        return pb.UnprotectInstancesResponse(instance_ids=self._protect(request, protected=False))

    def _protect(
        self, request: pb.ProtectInstancesRequest | pb.UnprotectInstancesRequest, *, protected: bool
    ) -> list[str]:
        ids, ips = list(request.instance_ids), list(request.ips)
        return choice.protect(self._store, current_scope(), request.cluster_name, ids, ips, protected=protected)


def _line(machine: MachineLine) -> pb.Instance:
    startup = (machine.running_at - machine.created_at) // 1000 if machine.running_at else 0
    return pb.Instance(
        instance_id=machine.instance_id,
        ip_inner=machine.ip_inner,
        ip_outer=machine.ip_outer,
        provider=machine.provider,
        create_at=moment(machine.created_at),
        status=machine.status.capitalize(),
        startup_time=max(startup, 0),
        cluster_name=machine.cluster_name,
        instance_type=machine.instance_type,
        protected=machine.protected,
        deletion_refusal=machine.deletion_refusal,
        deletion_refused_at=moment(machine.deletion_refused_at),
        charge_type=machine.charge_type,
        expire_at=moment(machine.expires_at),
    )
