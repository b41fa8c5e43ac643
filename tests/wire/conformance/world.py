"""A cloud with an account, and builders of what is asked of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from bridgx_server.cloudsim.control_client import ControlClient
from bridgx_server.cloudsim.server import CloudSim
from bridgx_server.providers.base import (
    CreateMachines,
    CreateSecurityGroup,
    CreateSubnet,
    CreateVpc,
    Credentials,
    Provider,
    ProviderError,
    ProviderSettings,
)
from bridgx_server.providers.registry import ProviderRegistry
from wire.conformance.clouds import Cloud

SECRET_OF_NOBODY = "not-the-secret-of-this-account"


def a_token(name: str) -> str:
    """The token of a call: the same for the same name."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


class World:
    """One simulated cloud as the tests see it: the adapter under test, and the control API that knows the truth."""

    def __init__(self, simulator: CloudSim, cloud: Cloud) -> None:
        self.cloud = cloud
        self.simulator = simulator
        self.control = ControlClient(simulator.control_url)
        self.endpoint = simulator.endpoints[cloud.provider]
        self._registry = ProviderRegistry({cloud.provider: ProviderSettings(endpoint=self.endpoint)})

    def start_afresh(self) -> None:
        """An empty cloud in which everything happens at once."""
        self.control.reset()
        self.control.delays(boot=0, delete=0, visible=0, visible_network=0, vpc=0)

    @property
    def provider(self) -> Provider:
        """The adapter, with the demo account."""
        return self._registry.get(self.credentials())

    def credentials(self, *, secret: str = "") -> Credentials:
        provider = self.cloud.provider
        project = "demo-project" if provider == "HuaweiCloud" else ""
        return Credentials(provider, f"demo-{provider}", secret or f"demo-secret-{provider}", project)

    def with_wrong_secret(self) -> Provider:
        return self._registry.get(self.credentials(secret=SECRET_OF_NOBODY))

    def with_settings(self, **changes: Any) -> Provider:
        """The adapter with other timeouts or another endpoint."""
        settings = replace(ProviderSettings(endpoint=self.endpoint), **changes)
        return ProviderRegistry({self.cloud.provider: settings}).get(self.credentials())

    # Builders.

    def a_vpc(self, name: str = "vpc-1", **changes: Any) -> CreateVpc:
        request = CreateVpc(self.cloud.region, name, self.cloud.vpc_cidr, a_token(name))
        return replace(request, **changes)

    def a_subnet(self, vpc_id: str, name: str = "subnet-1", **changes: Any) -> CreateSubnet:
        request = CreateSubnet(
            self.cloud.region,
            vpc_id,
            self.cloud.vpc_cidr,
            self.cloud.zone,
            name,
            self.cloud.subnet_cidr,
            a_token(name),
        )
        return replace(request, **changes)

    def a_group(self, vpc_id: str, name: str = "group-1", **changes: Any) -> CreateSecurityGroup:
        request = CreateSecurityGroup(self.cloud.region, vpc_id, name, "normal", a_token(name))
        return replace(request, **changes)

    def a_network(self) -> tuple[str, str, str]:
        """The ids of a VPC, a subnet and a security group that were just made."""
        vpc_id = self.provider.create_vpc(self.a_vpc())
        subnet_id = self.provider.create_subnet(self.a_subnet(vpc_id))
        group_id = self.provider.create_security_group(self.a_group(vpc_id))
        return vpc_id, subnet_id, group_id

    def machines(self, count: int = 1, *, chunk: str = "1", **changes: Any) -> CreateMachines:
        """An order for machines, in a network that is made if the cloud has none."""
        vpc_id, subnet_id, group_id = self._known_network() or self.a_network()
        request = CreateMachines(
            region_id=self.cloud.region,
            zone_id=self.cloud.zone,
            instance_type=self.cloud.instance_type,
            image_id=self.cloud.image,
            vpc_id=vpc_id,
            subnet_id=subnet_id,
            security_group_id=group_id,
            count=count,
            token=a_token(f"chunk-{chunk}"),
            name=f"web-{chunk}",
            password=self.cloud.password,
            system_disk=self.cloud.system_disk,
            tags={"bridgx-cluster": "web", "bridgx-chunk": chunk},
        )
        return replace(request, **changes)

    def _known_network(self) -> tuple[str, str, str] | None:
        state = self.control.state(self.cloud.provider)
        if not (state["vpcs"] and state["subnets"] and state["groups"]):
            return None
        groups = [group for group in state["groups"] if group["name"] != "default"]
        return state["vpcs"][0]["vpc_id"], state["subnets"][0]["subnet_id"], groups[0]["group_id"]

    # The truth.

    def ids_in_the_cloud(self) -> set[str]:
        """The machines that exist, whoever asked for them and whatever an API shows."""
        return {row["machine_id"] for row in self.control.machines(self.cloud.provider)}

    def fault(self, kind: str, action: str, **params: Any) -> None:
        """Something goes wrong with the next call of this name."""
        self.control.fault(kind, self.cloud.provider, action, times=1, params=params)

    def refused(self, call: Callable[[], object]) -> ProviderError:
        """The failure of a call that must fail; says all that a user needs, and no secret."""
        with pytest.raises(ProviderError) as caught:
            call()
        error = caught.value
        assert error.provider == self.cloud.provider
        assert error.operation
        assert error.message
        self.holds_no_secret(error)
        return error

    def holds_no_secret(self, error: BaseException) -> None:
        """Neither the error nor anything that hangs on it quotes the secret or a machine's password."""
        link: BaseException | None = error
        while link is not None:
            told = f"{link!r} {link} {_values(vars(link))}"
            for secret in (f"demo-secret-{self.cloud.provider}", self.cloud.password, SECRET_OF_NOBODY):
                assert secret not in told
            link = link.__cause__ or link.__context__


def _values(attributes: Mapping[str, Any]) -> str:
    return " ".join(str(value) for value in attributes.values())
