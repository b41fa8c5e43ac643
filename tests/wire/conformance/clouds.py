"""The clouds that the conformance suite runs on. A sixth cloud is one more row."""

from __future__ import annotations

from dataclasses import dataclass

from bridgx_server.providers.base import Disk


@dataclass(frozen=True)
class Cloud:
    """What the suite must know of a cloud: a place with machines to sell, and the names of its calls on the wire.

    ``create``, ``describe``, ``delete`` and ``create_vpc`` are the simulator's names of the calls that make, show and end
    machines, and of the one that makes a VPC.
    """

    provider: str
    region: str
    zone: str
    instance_type: str
    image: str
    system_disk: Disk
    data_disk: Disk
    create: str
    describe: str
    delete: str
    create_vpc: str = "CreateVpc"
    vpc_cidr: str = "10.8.0.0/16"
    subnet_cidr: str = "10.8.1.0/24"
    small_subnet_cidr: str = "10.8.2.0/28"
    password: str = "Sesame4Tests!"
    reserved_addresses: int = 5  # of a subnet, that no machine gets
    tells_quota: bool = False  # whether a refusal says how many machines the account may have
    shows_stock: bool = True  # whether a type that is sold out is left out of the catalog
    shows_pending_vpc: bool = True  # whether a VPC has a state before it can be used
    has_dry_run: bool = True
    tells_account: bool = True  # whether the cloud says whose an access key is
    deletes_booting: bool = True  # whether a machine can be deleted before it has booted
    tells_refused_from_lost: bool = True  # whether the SDK tells a refused connection from a lost one


CLOUDS: tuple[Cloud, ...] = (
    Cloud(
        provider="AlibabaCloud",
        region="cn-qingdao",
        zone="cn-qingdao-b",
        instance_type="ecs.g6.large",
        image="centos_7_6_x64_20G_alibase_20211030.vhd",
        system_disk=Disk("cloud_efficiency", 40),
        data_disk=Disk("cloud_essd", 100),
        create="RunInstances",
        describe="DescribeInstances",
        delete="DeleteInstances",
        reserved_addresses=4,
    ),
    Cloud(
        provider="HuaweiCloud",
        region="cn-north-4",
        zone="cn-north-4a",
        instance_type="c6.large.2",
        image="be9f9f16-80fb-54f7-9be3-dec994a23389",
        system_disk=Disk("cloud_ssd", 40),
        data_disk=Disk("cloud_essd", 100),
        create="CreatePostPaidServers",
        describe="ListServersDetails",
        delete="DeleteServers",
    ),
    Cloud(
        provider="TencentCloud",
        region="ap-guangzhou",
        zone="ap-guangzhou-3",
        instance_type="S5.MEDIUM4",
        image="img-3c345632",
        system_disk=Disk("cloud_ssd", 50),
        data_disk=Disk("cloud_essd", 100),
        create="RunInstances",
        describe="DescribeInstances",
        delete="TerminateInstances",
        reserved_addresses=3,
        shows_pending_vpc=False,
        deletes_booting=False,
    ),
    Cloud(
        provider="BaiduCloud",
        region="bj",
        zone="cn-bj-a",
        instance_type="bcc.g4.c2m8",
        image="m-0e499982",
        system_disk=Disk("cloud_ssd", 40),
        data_disk=Disk("cloud_essd", 100),
        create="CreateInstanceBySpec",
        describe="ListInstances",
        delete="BatchDeleteInstanceWithRelatedResource",
        reserved_addresses=3,
        tells_account=False,
        has_dry_run=False,
        shows_stock=False,
        shows_pending_vpc=False,
    ),
    Cloud(
        provider="AWSCloud",
        region="us-east-1",
        zone="us-east-1a",
        instance_type="m5.large",
        image="ami-0000000000007e601",
        system_disk=Disk("cloud_ssd", 40),
        data_disk=Disk("cloud_essd", 100),
        create="RunInstances",
        describe="DescribeInstances",
        delete="TerminateInstances",
        tells_quota=True,
        shows_stock=False,
    ),
)
