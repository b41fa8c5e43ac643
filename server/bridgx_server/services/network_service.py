"""NetworkService: VPCs, subnets, security groups, and all three at once."""

from __future__ import annotations

from functools import partial

import bridgx.v1 as pb
import grpc
from google.protobuf.message import Message

from bridgx_server.interceptors.caller import current_idempotency_key, current_identity, current_scope
from bridgx_server.provisioning.claims import Claims
from bridgx_server.provisioning.networks import Networks
from bridgx_server.provisioning.once import once
from bridgx_server.services.messages import moment, network_pager
from bridgx_server.services.network_requests import performing
from bridgx_server.store.paging import PageOf


class NetworkService(pb.NetworkServiceServicer):
    def __init__(self, claims: Claims, flows: Networks) -> None:
        self._claims = claims
        self._flows = flows

    def CreateVpc(self, request: pb.CreateVpcRequest, context: grpc.ServicerContext) -> pb.CreateVpcResponse:
        return pb.CreateVpcResponse(vpc_id=self._once(request, request.request_id, context))

    def ListVpcs(self, request: pb.ListVpcsRequest, context: grpc.ServicerContext) -> pb.ListVpcsResponse:
        wanted = PageOf.asked(request.page_number, request.page_size)
        page = self._flows.list_vpcs(current_scope(), request.provider, request.region_id, request.vpc_name, wanted)
        return pb.ListVpcsResponse(
            vpcs=[
                pb.Vpc(
                    vpc_id=vpc.vpc_id,
                    vpc_name=vpc.name,
                    cidr_block=vpc.cidr_block,
                    switch_ids=vpc.subnet_ids,
                    provider=vpc.provider,
                    status=vpc.status,
                    create_at=moment(vpc.created_at),
                )
                for vpc in page.rows
            ],
            pager=network_pager(page),
        )

    def CreateSubnet(self, request: pb.CreateSubnetRequest, context: grpc.ServicerContext) -> pb.CreateSubnetResponse:
        return pb.CreateSubnetResponse(subnet_id=self._once(request, request.request_id, context))

    def ListSubnets(self, request: pb.ListSubnetsRequest, context: grpc.ServicerContext) -> pb.ListSubnetsResponse:
        wanted = PageOf.asked(request.page_number, request.page_size)
        page = self._flows.list_subnets(current_scope(), request.vpc_id, request.switch_name, wanted)
        return pb.ListSubnetsResponse(
            switches=[
                pb.Subnet(
                    vpc_id=subnet.vpc_id,
                    switch_id=subnet.subnet_id,
                    zone_id=subnet.zone_id,
                    switch_name=subnet.name,
                    cidr_block=subnet.cidr_block,
                    v_status=subnet.status,
                    create_at=moment(subnet.created_at),
                    is_default="Y" if subnet.is_default else "N",
                    available_ip_address_count=subnet.available_ip_count,
                )
                for subnet in page.rows
            ],
            pager=network_pager(page),
        )

    def CreateSecurityGroup(
        self, request: pb.CreateSecurityGroupRequest, context: grpc.ServicerContext
    ) -> pb.CreateSecurityGroupResponse:
        return pb.CreateSecurityGroupResponse(security_group_id=self._once(request, request.request_id, context))

    def ListSecurityGroups(
        self, request: pb.ListSecurityGroupsRequest, context: grpc.ServicerContext
    ) -> pb.ListSecurityGroupsResponse:
        wanted = PageOf.asked(request.page_number, request.page_size)
        page = self._flows.list_groups(
            current_scope(), request.vpc_id, request.region_id, request.security_group_name, wanted
        )
        return pb.ListSecurityGroupsResponse(
            groups=[
                pb.SecurityGroup(
                    vpc_id=group.vpc_id,
                    security_group_id=group.security_group_id,
                    security_group_name=group.name,
                    security_group_type=group.group_type,
                    create_at=moment(group.created_at),
                )
                for group in page.rows
            ],
            pager=network_pager(page),
        )

    def CreateNetworkConfig(
        self, request: pb.CreateNetworkConfigRequest, context: grpc.ServicerContext
    ) -> pb.CreateNetworkConfigResponse:
        return pb.CreateNetworkConfigResponse(vpc_id=self._once(request, request.request_id, context))

    def _once(self, request: Message, request_id: str, context: grpc.ServicerContext) -> str:
        key = request_id or current_idempotency_key()
        flows = self._flows.until(context.time_remaining())
        perform = partial(performing(self._claims.store, flows, current_scope()), request)
        return once(self._claims, current_identity(), key, request, perform, lasting=True)
