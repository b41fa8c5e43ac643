"""A VPC has at most 150 subnets, whoever made them, on every simulated cloud."""

from __future__ import annotations

import contextlib
import ipaddress
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bridgx.v1 as pb
import grpc
import pytest
from bridgx import failure_of
from bridgx_server.cloudsim.front import FRONTS
from bridgx_server.providers.base import CreateSubnet
from contract.reconciling import World, a_world

MOST = 150  # what the manual says
VPC = "172.16.0.0/16"
BLOCKS = list(ipaddress.ip_network("172.16.128.0/17").subnets(new_prefix=26))  # beside the network's own subnet
CREATE = {"AlibabaCloud": "CreateVSwitch"}  # elsewhere CreateSubnet


def made_in_the_console(world: World, count: int) -> None:
    def make(number: int) -> str:
        request = CreateSubnet(
            world.region,
            world.network["vpc"],
            VPC,
            world.place["zone_id"],
            f"console-{number}",
            str(BLOCKS[number]),
            str(uuid.uuid4()),
        )
        return world.provider.create_subnet(request)

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(make, range(count)))) == count


def subnets_at_the_cloud(world: World) -> int:
    return len(world.control.state(world.cloud)["subnets"])


@pytest.mark.parametrize("cloud", FRONTS)
def test_the_151st_subnet_of_a_vpc_is_refused(cloud: str, tmp_path: Path) -> None:
    with a_world(cloud, tmp_path, worker=False, rates="*.*=off") as world:
        made_in_the_console(world, MOST - 2)
        action = CREATE.get(cloud, "CreateSubnet")

        def create(number: int) -> str:
            request = pb.CreateSubnetRequest(
                vpc_id=world.network["vpc"],
                zone_id=world.place["zone_id"],
                cidr_block=str(BLOCKS[number]),
                switch_name=f"subnet-{number}",
                request_id=f"request-{number}",
            )
            return world.client.networks.CreateSubnet(request).subnet_id

        # The last one may be repeated when its answer was lost, though the VPC is full by then.
        world.control.fault("cut_after", cloud=cloud, action=action)
        answers: set[str] = set()
        with contextlib.suppress(grpc.RpcError):
            answers.add(create(MOST))  # found, where a cloud has no tokens for it
        assert subnets_at_the_cloud(world) == MOST
        world.control.clear_faults()
        assert len(answers | {create(MOST), create(MOST)}) == 1
        assert subnets_at_the_cloud(world) == MOST

        asked = len(world.control.calls(cloud, action))
        with pytest.raises(grpc.RpcError) as caught:
            create(MOST + 1)
        told = failure_of(caught.value)
        assert (told.code, told.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "quota_exceeded")
        assert told.message == f"VPC {world.network['vpc']} has {MOST} subnets; it may have {MOST}"
        assert len(world.control.calls(cloud, action)) == asked  # the cloud was not asked for it
