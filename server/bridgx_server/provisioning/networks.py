"""New VPCs, subnets and security groups, and lists of them that are true.

Every call to a cloud goes out under a token that its request keeps, so that a request which was cut off is continued by
its repetition. What a cloud has not finished yet is waited for, within a bound.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import structlog

from bridgx_server.errors import FieldError, InvalidField, InvalidFields, QuotaExceeded
from bridgx_server.providers.base import CreateSecurityGroup, CreateSubnet, CreateVpc, Provider, SecurityGroupRule
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.provisioning.catalog import Catalog
from bridgx_server.provisioning.making import GROUP, SUBNET, VPC, WORDS, Making, Place, Step, told
from bridgx_server.provisioning.once import Attempt
from bridgx_server.provisioning.refreshing import Refresher
from bridgx_server.provisioning.visibility import NotReadyYet, Patience
from bridgx_server.scaling.engine import Clouds
from bridgx_server.store import networks
from bridgx_server.store.accounts import Account
from bridgx_server.store.database import Store
from bridgx_server.store.networks import StoredGroup, StoredSubnet, StoredVpc
from bridgx_server.store.paging import Page, PageOf
from bridgx_server.store.scope import Scope

DEFAULT_BLOCK = "172.16.0.0/12"
MOST_SUBNETS = 150  # in a VPC

log = structlog.get_logger("bridgx.networks")


@dataclass(frozen=True)
class Networks:
    """The flows, and what they work with."""

    store: Store
    clouds: Clouds
    catalog: Catalog
    patience: Patience = field(default_factory=Patience)
    refresher: Refresher = field(default_factory=Refresher, compare=False)

    def until(self, left: float | None) -> Networks:
        """The flows for a caller who waits for ``left`` seconds more; None: it has set no deadline."""
        return replace(self, patience=self.patience.until(left))

    def create_vpc(self, account: Account, region_id: str, name: str, cidr: str, attempt: Attempt) -> str:
        """Makes a VPC and returns its id; raises InvalidField, ProviderError."""
        provider = self.clouds.provider(account.id)
        cidr = cidr or self._default_block(provider)

        def vpc() -> Step:
            return self._vpc(provider, account, CreateVpc(region_id, name, cidr, attempt.token), attempt)

        making = self._making(provider, Place(account.id, region_id), {VPC: vpc}, attempt)
        if making.went_back():
            return ""
        if not attempt.progress.made:
            self._check_region(account, region_id)
            _check_mask("cidr_block", cidr, provider.limits.vpc_prefix, provider.name)
        vpc_id = making.make(VPC)
        attempt.answered(vpc_id)
        return vpc_id

    def create_subnet(self, vpc: StoredVpc, zone_id: str, name: str, cidr: str, attempt: Attempt) -> str:
        """Makes a subnet and returns its id; raises InvalidField, QuotaExceeded, ProviderError."""
        provider = self.clouds.provider(vpc.account_id)

        def subnet() -> Step:
            return self._subnet(provider, vpc, zone_id, name, cidr, attempt.token, attempt.caller)

        making = self._making(provider, Place(vpc.account_id, vpc.region_id, vpc.vpc_id), {SUBNET: subnet}, attempt)
        if making.went_back():
            return ""
        if not attempt.progress.made:
            self._check_zone(vpc.account_id, vpc.region_id, zone_id)
            _check_mask("cidr_block", cidr, provider.limits.subnet_prefix, provider.name)
            _check_inside("cidr_block", cidr, vpc.cidr_block)
            self._check_siblings(provider, vpc, cidr)
            self._ready_vpc(making, vpc.region_id, vpc.vpc_id, vpc.created_at)
        subnet_id = making.make(SUBNET)
        attempt.answered(subnet_id)
        return subnet_id

    def create_security_group(
        self, vpc: StoredVpc, name: str, rules: Sequence[SecurityGroupRule], attempt: Attempt
    ) -> str:
        """Makes a security group with its rules and returns its id; raises ProviderError.

        A group whose rules are refused is removed again.
        """
        provider = self.clouds.provider(vpc.account_id)

        def group() -> Step:
            return self._group(provider, vpc, name, "normal", attempt.token)

        making = self._making(provider, Place(vpc.account_id, vpc.region_id, vpc.vpc_id), {GROUP: group}, attempt)
        if making.went_back():
            return ""
        named = networks.groups_made_at(self.store, vpc.account_id, [rule.group_id for rule in rules])
        if not attempt.progress.made:
            young = {group_id for group_id, made_at in named.items() if making.young_for(made_at)}
            _check_groups(provider, vpc.region_id, rules, young)
        rules = list(dict.fromkeys(rules))
        group_id = making.make(GROUP)
        attempt.asking()
        young_for = making.young_for(max(attempt.progress.effect_until, *named.values(), 0))
        try:
            self.patience.repeat(
                lambda: provider.add_security_group_rules(vpc.region_id, group_id, rules), young_for=young_for
            )
        except NotReadyYet:
            raise
        except ProviderError as error:
            if error.kind in (ErrorClass.UNAVAILABLE, ErrorClass.TIMEOUT_UNKNOWN, ErrorClass.THROTTLED):
                raise  # a repetition goes on with this group
            raise told(error, "the rules were refused", making.undo(error)) from None
        with self.store.transaction():
            networks.add_group(self.store, vpc, group_id, name, "normal", rules, attempt.caller)
            attempt.answered(group_id)
        return group_id

    def create_config(
        self,
        account: Account,
        region_id: str,
        zone_id: str,
        vpc: tuple[str, str],
        subnet: tuple[str, str],
        group: tuple[str, str],
        attempt: Attempt,
    ) -> str:
        """Makes a VPC, a subnet (name and block each) and a security group (name and type), all or nothing.

        Returns the VPC's id.

        Raises:
            InvalidFields: before anything is made.
            NotReadyYet: the cloud has not come so far, and the caller's time is over; nothing is removed.
            ProviderError: says which step failed and what, if anything, could not be removed again.
        """
        provider = self.clouds.provider(account.id)

        def made_vpc() -> StoredVpc:
            return networks.get_vpc(self.store, networks.own_scope(account), attempt.progress.id_of(VPC))

        steps = {
            VPC: lambda: self._vpc(provider, account, CreateVpc(region_id, *vpc, attempt.token_of(VPC)), attempt),
            SUBNET: lambda: self._subnet(
                provider, made_vpc(), zone_id, *subnet, attempt.token_of(SUBNET), attempt.caller
            ),
            GROUP: lambda: self._group(provider, made_vpc(), *group, attempt.token_of(GROUP)),
        }
        making = self._making(provider, Place(account.id, region_id), steps, attempt)
        if making.went_back():
            return ""
        if not attempt.progress.made:
            self._check_zone(account.id, region_id, zone_id)
            _check_mask("cidr_block", vpc[1], provider.limits.vpc_prefix, provider.name)
            _check_mask("switch_cidr_block", subnet[1], provider.limits.subnet_prefix, provider.name)
            _check_inside("switch_cidr_block", subnet[1], vpc[1])
        step = VPC
        try:
            vpc_id = making.make(VPC)
            step = SUBNET
            self._ready_vpc(making, region_id, vpc_id, made_vpc().created_at)
            making.make(SUBNET)
            step = GROUP
            group_id = making.make(GROUP)
        except NotReadyYet:
            raise
        except ProviderError as error:
            raise told(error, f"the {WORDS[step]} could not be made", making.undo(error)) from None
        with self.store.transaction():
            networks.add_group(self.store, made_vpc(), group_id, group[0], group[1], (), attempt.caller)
            attempt.answered(vpc_id)
        return vpc_id

    def _making(
        self, provider: Provider, place: Place, steps: Mapping[str, Callable[[], Step]], attempt: Attempt
    ) -> Making:
        return Making(self.store, self.patience, provider, place, steps, attempt)

    def list_vpcs(self, scope: Scope, provider: str, region_id: str, name: str, wanted: PageOf) -> Page[StoredVpc]:
        """The VPCs, as the cloud describes them now; as they were known where the cloud cannot be asked."""
        page = networks.page_vpcs(self.store, scope, provider, region_id, name, wanted)
        places: dict[tuple[int, str], list[str]] = {}
        for vpc in page.rows:
            places.setdefault((vpc.account_id, vpc.region_id), []).append(vpc.vpc_id)
        self.refresher.refresh("VPCs", *(partial(self._refresh_vpcs, *place, ids) for place, ids in places.items()))
        return networks.page_vpcs(self.store, scope, provider, region_id, name, wanted)

    def list_subnets(self, scope: Scope, vpc_id: str, name: str, wanted: PageOf) -> Page[StoredSubnet]:
        """The subnets of a VPC, as the cloud describes them now; raises NotFound."""
        vpc = networks.get_vpc(self.store, scope, vpc_id)
        self.refresher.refresh("subnets", partial(self._refresh_subnets, vpc))
        return networks.page_subnets(self.store, scope, vpc_id, name, wanted)

    def list_groups(self, scope: Scope, vpc_id: str, region_id: str, name: str, wanted: PageOf) -> Page[StoredGroup]:
        """The security groups of a VPC; raises NotFound."""
        networks.get_vpc(self.store, scope, vpc_id)
        return networks.page_groups(self.store, scope, vpc_id, region_id, name, wanted)

    def _refresh_vpcs(self, account_id: int, region_id: str, vpc_ids: Sequence[str]) -> None:
        found = self.clouds.provider(account_id).describe_vpcs(region_id, vpc_ids)
        networks.refresh_vpcs(self.store, account_id, found)

    def _refresh_subnets(self, vpc: StoredVpc) -> None:
        found = self.clouds.provider(vpc.account_id).describe_subnets(vpc.region_id, vpc.vpc_id)
        networks.refresh_subnets(self.store, vpc.account_id, found)

    # Steps.

    def _vpc(self, provider: Provider, account: Account, request: CreateVpc, attempt: Attempt) -> Step:
        def write(vpc_id: str) -> None:
            region_id, name, cidr = request.region_id, request.name, request.cidr_block
            networks.add_vpc(self.store, account, region_id, vpc_id, name, cidr, attempt.caller)

        return Step(lambda: provider.create_vpc(request), lambda: provider.find_vpc(request), write)

    def _subnet(
        self, provider: Provider, vpc: StoredVpc, zone_id: str, name: str, cidr: str, token: str, caller: str
    ) -> Step:
        request = CreateSubnet(vpc.region_id, vpc.vpc_id, vpc.cidr_block, zone_id, name, cidr, token)

        def write(subnet_id: str) -> None:
            networks.add_subnet(self.store, vpc, subnet_id, zone_id, name, cidr, caller)

        return Step(
            lambda: provider.create_subnet(request), lambda: provider.find_subnet(request), write, vpc.created_at
        )

    @staticmethod
    def _group(provider: Provider, vpc: StoredVpc, name: str, group_type: str, token: str) -> Step:
        """The group at the cloud; it is written down when the request has all that it asks for."""
        request = CreateSecurityGroup(vpc.region_id, vpc.vpc_id, name, group_type, token)
        return Step(
            lambda: provider.create_security_group(request),
            lambda: provider.find_security_group(request),
            lambda group_id: None,
            vpc.created_at,
        )

    def _ready_vpc(self, making: Making, region_id: str, vpc_id: str, made_at: int) -> None:
        """Waits until the VPC is there and can be used; raises ProviderError."""
        provider = making.provider

        def look() -> None:
            found = provider.describe_vpcs(region_id, [vpc_id])
            if not found:
                raise ProviderError(ErrorClass.NOT_FOUND, f"VPC {vpc_id} not found", provider=provider.name)
            if found[0].status != "Available":
                raise ProviderError(ErrorClass.CONFLICT, f"VPC {vpc_id} is not available yet", provider=provider.name)

        self.patience.repeat(look, young_for=making.young_for(made_at))

    # Checks.

    @staticmethod
    def _default_block(provider: Provider) -> str:
        shortest = provider.limits.vpc_prefix[0]
        return DEFAULT_BLOCK if shortest <= 12 else f"172.16.0.0/{shortest}"

    def _check_region(self, account: Account, region_id: str) -> None:
        if region_id not in {region.region_id for region in self.catalog.regions(account.id)}:
            raise InvalidField("region_id", f"{region_id} is no region of {account.provider}")

    def _check_zone(self, account_id: int, region_id: str, zone_id: str) -> None:
        if zone_id not in {zone.zone_id for zone in self.catalog.zones(account_id, region_id)}:
            raise InvalidField("zone_id", f"{zone_id} is no zone of {region_id}")

    def _check_siblings(self, provider: Provider, vpc: StoredVpc, cidr: str) -> None:
        known_here = {subnet.subnet_id for subnet in networks.subnets_of(self.store, vpc)}
        # The same block, not written down here: the repetition of a request that was cut off meets its own subnet.
        siblings = [
            subnet
            for subnet in provider.describe_subnets(vpc.region_id, vpc.vpc_id)
            if subnet.cidr_block != cidr or subnet.subnet_id in known_here
        ]
        if len(siblings) >= MOST_SUBNETS:
            raise QuotaExceeded(f"VPC {vpc.vpc_id} has {len(siblings)} subnets; it may have {MOST_SUBNETS}")
        block = ipaddress.IPv4Network(cidr)
        for sibling in siblings:
            if ipaddress.IPv4Network(sibling.cidr_block, strict=False).overlaps(block):
                raise InvalidField("cidr_block", f"{cidr} overlaps {sibling.cidr_block} of {sibling.subnet_id}")


def _check_mask(field: str, cidr: str, limits: tuple[int, int], provider: str) -> None:
    length = ipaddress.IPv4Network(cidr).prefixlen
    if not limits[0] <= length <= limits[1]:
        raise InvalidField(field, f"must have a mask of /{limits[0]} to /{limits[1]} on {provider}, not /{length}")


def _check_groups(
    provider: Provider, region_id: str, rules: Sequence[SecurityGroupRule], young: Collection[str]
) -> None:
    """Whether the groups that rules name exist; ``young`` ones do, whether the cloud shows them yet or not."""
    wanted = {rule.group_id for rule in rules} - {"", *young}
    if not wanted:
        return
    try:
        found = {row.security_group_id for row in provider.describe_security_groups(region_id, sorted(wanted))}
    except ProviderError as error:
        if error.kind not in (ErrorClass.NOT_FOUND, ErrorClass.INVALID_PARAMETER):
            raise
        return  # one is not even an id; the cloud says which when it is to add the rules
    errors = [
        FieldError(f"rules[{index}].group_id", f"security group {rule.group_id} not found in {region_id}")
        for index, rule in enumerate(rules)
        if rule.group_id in wanted - found
    ]
    if errors:
        raise InvalidFields(errors)


def _check_inside(field: str, cidr: str, outer: str) -> None:
    if not ipaddress.IPv4Network(cidr).subnet_of(ipaddress.IPv4Network(outer)):
        raise InvalidFields([FieldError(field, f"{cidr} is not inside {outer}, the block of the VPC")])
