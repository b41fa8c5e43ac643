"""Scripts that make machines and know everything: when each call is allowed, and when each machine will be up.

They crash when anything fails. Nobody could write one for a real cloud; it is what the server is compared with.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config
from bridgx_server.cloudsim.server import demo_account
from bridgx_server.providers.base import CreateMachines, Disk, MachineState
from creation import Creation
from system import PASSWORD, Place, System

AT_ONCE = 32  # calls
IDS = 100  # a call
POLL = 0.2  # seconds between two looks, should a machine be late
MARGIN = 0.25  # seconds that a call which must wait comes late, since the first may have been slower on its way
DISK_GIB = 50

Create = Callable[[int], Sequence[str]]  # makes so many machines, and returns their ids
Describe = Callable[[Sequence[str]], set[str]]  # which of them run


def script(running: System, place: Place, machines: int) -> tuple[str, float]:
    """What the script is called, and the seconds from its first call until all machines have been seen to run."""
    name, make = SCRIPTS.get(place.cloud, ("our adapter alone", _by_adapter))
    create, describe = make(running, place)
    return name, _seconds(running, place, machines, create, describe)


def _seconds(running: System, place: Place, machines: int, create: Create, describe: Describe) -> float:
    creation = Creation.of(running, place.cloud)
    sizes = [min(creation.batch, machines - start) for start in range(0, machines, creation.batch)]
    begun = time.monotonic()

    def made(call: int) -> Sequence[str]:
        wait = creation.earliest(call, creation.batch)
        if wait:
            time.sleep(max(begun + wait + MARGIN - time.monotonic(), 0))
        return create(sizes[call])

    with ThreadPoolExecutor(AT_ONCE) as pool:
        left = {machine for ids in pool.map(made, range(len(sizes))) for machine in ids}
        rows = [row for row in running.control.machines(place.cloud) if row["machine_id"] in left]
        time.sleep(max(max(row["boots_at"] for row in rows) - time.time(), 0))
        while left:
            ids = sorted(left)
            for up in pool.map(describe, [ids[start : start + IDS] for start in range(0, len(ids), IDS)]):
                left -= up
            if left:
                time.sleep(POLL)
    return time.monotonic() - begun


def _by_boto3(running: System, place: Place) -> tuple[Create, Describe]:
    """AWS's SDK and nothing else."""
    account = demo_account(place.cloud)
    client: Any = boto3.client(
        "ec2",
        region_name=place.region,
        endpoint_url=running.endpoints[place.cloud],
        aws_access_key_id=account.access_key,
        aws_secret_access_key=account.secret,
        config=Config(retries={"total_max_attempts": 1}, max_pool_connections=AT_ONCE),
    )
    root = client.describe_images(ImageIds=[place.image])["Images"][0]["RootDeviceName"]
    disk = {"VolumeSize": DISK_GIB, "VolumeType": "gp2", "DeleteOnTermination": True}

    def create(count: int) -> Sequence[str]:
        answer = client.run_instances(
            ImageId=place.image,
            InstanceType=place.instance_type,
            MinCount=count,
            MaxCount=count,
            ClientToken=str(uuid.uuid4()),
            Placement={"AvailabilityZone": place.zone},
            SubnetId=place.subnet,
            SecurityGroupIds=[place.group],
            BlockDeviceMappings=[{"DeviceName": root, "Ebs": disk}],
        )
        return [row["InstanceId"] for row in answer["Instances"]]

    def describe(ids: Sequence[str]) -> set[str]:
        asked = {"Name": "instance-id", "Values": list(ids)}
        pages = client.get_paginator("describe_instances").paginate(Filters=[asked])
        rows = [row for page in pages for reservation in page["Reservations"] for row in reservation["Instances"]]
        return {row["InstanceId"] for row in rows if row["State"]["Name"] == "running"}

    return create, describe


def _by_adapter(running: System, place: Place) -> tuple[Create, Describe]:
    """Our own adapter, without the engine around it."""
    adapter = running.adapter(place.cloud)
    adapter.list_zones(place.region)  # a client's first call takes long

    def create(count: int) -> Sequence[str]:
        order = CreateMachines(
            region_id=place.region,
            zone_id=place.zone,
            instance_type=place.instance_type,
            image_id=place.image,
            vpc_id=place.vpc,
            subnet_id=place.subnet,
            security_group_id=place.group,
            count=count,
            token=str(uuid.uuid4()),
            name="bare",
            password=PASSWORD,
            system_disk=Disk("cloud_efficiency", DISK_GIB),
        )
        return adapter.create_machines(order).instance_ids

    def describe(ids: Sequence[str]) -> set[str]:
        rows = adapter.describe_machines(place.region, ids)
        return {row.instance_id for row in rows if row.state is MachineState.RUNNING}

    return create, describe


SCRIPTS: Mapping[str, tuple[str, Callable[[System, Place], tuple[Create, Describe]]]] = {
    "AWSCloud": ("plain boto3", _by_boto3)
}
