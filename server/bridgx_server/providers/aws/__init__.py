"""The adapter of AWS, on boto3 and EC2 alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridgx_server.providers.aws import catalog, machines, networks
from bridgx_server.providers.aws.calls import PROVIDER, Calls
from bridgx_server.providers.aws.rates import RATES
from bridgx_server.providers.base import (
    CreatedMachines,
    CreateMachines,
    CreateSecurityGroup,
    CreateSubnet,
    CreateVpc,
    Credentials,
    DeletedMachines,
    Image,
    InstanceType,
    Machine,
    Provider,
    ProviderSettings,
    Region,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
    Vpc,
    Zone,
)

__all__ = ["RATES", "Aws", "connect"]


class Aws:
    """One account of AWS."""

    name = PROVIDER
    limits = machines.LIMITS

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def cloud_account_id(self) -> str:
        return catalog.cloud_account_id(self._calls)

    def list_regions(self) -> list[Region]:
        return catalog.list_regions(self._calls)

    def list_zones(self, region_id: str) -> list[Zone]:
        return catalog.list_zones(self._calls, region_id)

    def list_instance_types(self, region_id: str, zone_id: str) -> list[InstanceType]:
        return catalog.list_instance_types(self._calls, region_id, zone_id)

    def list_images(self, region_id: str) -> list[Image]:
        return catalog.list_images(self._calls, region_id)

    def find_image(self, region_id: str, image_id: str) -> Image | None:
        return catalog.find_image(self._calls, region_id, image_id)

    def create_vpc(self, request: CreateVpc) -> str:
        return networks.create_vpc(self._calls, request)

    def find_vpc(self, request: CreateVpc) -> str:
        return networks.find_vpc(self._calls, request)

    def describe_vpcs(self, region_id: str, vpc_ids: Sequence[str]) -> list[Vpc]:
        return networks.describe_vpcs(self._calls, region_id, vpc_ids)

    def delete_vpc(self, region_id: str, vpc_id: str) -> None:
        networks.delete_vpc(self._calls, region_id, vpc_id)

    def create_subnet(self, request: CreateSubnet) -> str:
        return networks.create_subnet(self._calls, request)

    def find_subnet(self, request: CreateSubnet) -> str:
        return networks.find_subnet(self._calls, request)

    def describe_subnets(self, region_id: str, vpc_id: str) -> list[Subnet]:
        return networks.describe_subnets(self._calls, region_id, vpc_id)

    def delete_subnet(self, region_id: str, vpc_id: str, subnet_id: str) -> None:
        networks.delete_subnet(self._calls, region_id, subnet_id)

    def create_security_group(self, request: CreateSecurityGroup) -> str:
        return networks.create_security_group(self._calls, request)

    def find_security_group(self, request: CreateSecurityGroup) -> str:
        return networks.find_security_group(self._calls, request)

    def add_security_group_rules(
        self, region_id: str, security_group_id: str, rules: Sequence[SecurityGroupRule]
    ) -> None:
        networks.add_rules(self._calls, region_id, security_group_id, rules)

    def describe_security_groups(self, region_id: str, security_group_ids: Sequence[str]) -> list[SecurityGroup]:
        return networks.describe_security_groups(self._calls, region_id, security_group_ids)

    def delete_security_group(self, region_id: str, security_group_id: str) -> None:
        networks.delete_security_group(self._calls, region_id, security_group_id)

    def check_machines(self, request: CreateMachines) -> None:
        machines.check(request)

    def dry_run_machines(self, request: CreateMachines) -> bool:
        return machines.dry_run(self._calls, request)

    def create_machines(self, request: CreateMachines) -> CreatedMachines:
        return machines.create(self._calls, request)

    def describe_machines(self, region_id: str, instance_ids: Sequence[str]) -> list[Machine]:
        return machines.describe(self._calls, region_id, instance_ids)

    def find_machines(self, region_id: str, tags: Mapping[str, str]) -> list[Machine]:
        return machines.find(self._calls, region_id, tags)

    def delete_machines(
        self, region_id: str, instance_ids: Sequence[str], *, release_prepaid: bool = False
    ) -> DeletedMachines:
        return machines.delete(self._calls, region_id, instance_ids)


def connect(credentials: Credentials, settings: ProviderSettings) -> Provider:
    """The adapter of an account; nothing is called yet."""
    return Aws(Calls(credentials, settings))
