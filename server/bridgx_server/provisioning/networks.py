"""New VPCs, subnets and security groups, and lists of them that are true.

Every call to a cloud goes out under a token that its request keeps, so that a request which was cut off is continued by
its repetition. What a cloud has not finished yet is waited for, within a bound.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import structlog

from bridgx_server.errors import FieldError, InvalidField, InvalidFields, QuotaExceeded
from bridgx_server.providers.base import CreateSecurityGroup, CreateSubnet, CreateVpc, Provider, SecurityGroupRule
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.provisioning.catalog import Catalog
from bridgx_server.provisioning.once import DOUBTFUL, WITHOUT_EFFECT, Attempt
from bridgx_server.provisioning.refreshing import Refresher
from bridgx_server.scaling.engine import Clouds
from bridgx_server.store import networks
from bridgx_server.store.accounts import Account
from bridgx_server.store.database import Store
from bridgx_server.store.networks import StoredGroup, StoredSubnet, StoredVpc
from bridgx_server.store.paging import Page, PageOf
from bridgx_server.store.requests import Made
from bridgx_server.store.scope import Scope

DEFAULT_BLOCK = "172.16.0.0/12"
MOST_SUBNETS = 150  # in a VPC
READY_TIMEOUT = 60.0  # seconds to wait for what the cloud has not finished
READY_PAUSE = 0.5  # seconds between two looks
UNANSWERED_ATTEMPTS = 3
VPC, SUBNET, GROUP = "vpc", "subnet", "security_group"  # what a request makes, in this order
WORDS = {VPC: "VPC", SUBNET: "subnet", GROUP: "security group"}
PASSING = (ErrorClass.CONFLICT, ErrorClass.THROTTLED, ErrorClass.UNAVAILABLE, ErrorClass.TIMEOUT_UNKNOWN)

log = structlog.get_logger("bridgx.networks")

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class _Place:
    """Where things are removed. ``vpc_id`` is empty where the request makes the VPC itself."""

    account_id: int
    region_id: str
    vpc_id: str = ""


@dataclass(frozen=True)
class Networks:
    """The flows, and what they work with."""

    store: Store
    clouds: Clouds
    catalog: Catalog
    refresher: Refresher = field(default_factory=Refresher, compare=False)
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic

    def create_vpc(self, account: Account, region_id: str, name: str, cidr: str, attempt: Attempt) -> str:
        """Makes a VPC and returns its id; raises InvalidField, ProviderError."""
        provider = self.clouds.provider(account.id)
        cidr = cidr or self._default_block(provider)

        def make() -> str:
            return self._make_vpc(provider, account, region_id, name, cidr, attempt, attempt.token)

        if self._went_back(provider, _Place(account.id, region_id), {VPC: make}, attempt):
            return ""
        if not attempt.progress.made:
            self._check_region(account, region_id)
            _check_mask("cidr_block", cidr, provider.limits.vpc_prefix, provider.name)
        vpc_id = make()
        attempt.answered(vpc_id)
        return vpc_id

    def create_subnet(self, vpc: StoredVpc, zone_id: str, name: str, cidr: str, attempt: Attempt) -> str:
        """Makes a subnet and returns its id; raises InvalidField, QuotaExceeded, ProviderError."""
        provider = self.clouds.provider(vpc.account_id)

        def make() -> str:
            return self._make_subnet(provider, vpc, zone_id, name, cidr, attempt, attempt.token)

        if self._went_back(provider, _Place(vpc.account_id, vpc.region_id, vpc.vpc_id), {SUBNET: make}, attempt):
            return ""
        if not attempt.progress.made:
            self._check_zone(vpc.account_id, vpc.region_id, zone_id)
            _check_mask("cidr_block", cidr, provider.limits.subnet_prefix, provider.name)
            _check_inside("cidr_block", cidr, vpc.cidr_block)
            self._check_siblings(provider, vpc, cidr)
            self._ready_vpc(provider, vpc.region_id, vpc.vpc_id)
        subnet_id = make()
        attempt.answered(subnet_id)
        return subnet_id

    def create_security_group(
        self, vpc: StoredVpc, name: str, rules: Sequence[SecurityGroupRule], attempt: Attempt
    ) -> str:
        """Makes a security group with its rules and returns its id; raises ProviderError.

        A group whose rules are refused is removed again.
        """
        provider = self.clouds.provider(vpc.account_id)
        rules = list(dict.fromkeys(rules))
        place = _Place(vpc.account_id, vpc.region_id, vpc.vpc_id)

        def make() -> str:
            return self._make_group(provider, vpc, name, "normal", attempt, attempt.token)

        if self._went_back(provider, place, {GROUP: make}, attempt):
            return ""
        group_id = make()
        try:
            provider.add_security_group_rules(vpc.region_id, group_id, rules)
        except ProviderError as error:
            if error.kind in (ErrorClass.UNAVAILABLE, ErrorClass.TIMEOUT_UNKNOWN, ErrorClass.THROTTLED):
                raise  # a repetition goes on with this group
            attempt.undo(str(error), "")
            left = self._undo(provider, place, {}, attempt)
            raise _told(error, "the rules were refused", left) from None
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
            ProviderError: says which step failed and what, if anything, could not be removed again.
        """
        provider = self.clouds.provider(account.id)
        place, own = _Place(account.id, region_id), networks.own_scope(account)

        def make_vpc() -> str:
            return self._make_vpc(provider, account, region_id, vpc[0], vpc[1], attempt, attempt.token_of(VPC))

        def make_subnet() -> str:
            stored = networks.get_vpc(self.store, own, attempt.progress.id_of(VPC))
            token = attempt.token_of(SUBNET)
            return self._make_subnet(provider, stored, zone_id, subnet[0], subnet[1], attempt, token)

        def make_group() -> str:
            stored = networks.get_vpc(self.store, own, attempt.progress.id_of(VPC))
            return self._make_group(provider, stored, group[0], group[1], attempt, attempt.token_of(GROUP))

        steps = {VPC: make_vpc, SUBNET: make_subnet, GROUP: make_group}
        if self._went_back(provider, place, steps, attempt):
            return ""
        if not attempt.progress.made:
            self._check_zone(account.id, region_id, zone_id)
            _check_mask("cidr_block", vpc[1], provider.limits.vpc_prefix, provider.name)
            _check_mask("switch_cidr_block", subnet[1], provider.limits.subnet_prefix, provider.name)
            _check_inside("switch_cidr_block", subnet[1], vpc[1])
        step = asked = VPC
        try:
            vpc_id = make_vpc()
            step, asked = SUBNET, ""
            self._ready_vpc(provider, region_id, vpc_id)
            asked = SUBNET
            make_subnet()
            step = asked = GROUP
            group_id = make_group()
        except ProviderError as error:
            attempt.undo(str(error), asked if error.kind in DOUBTFUL else "")
            left = self._undo(provider, place, steps, attempt)
            raise _told(error, f"the {WORDS[step]} could not be made", left) from None
        with self.store.transaction():
            stored = networks.get_vpc(self.store, own, vpc_id)
            networks.add_group(self.store, stored, group_id, group[0], group[1], (), attempt.caller)
            attempt.answered(vpc_id)
        return vpc_id

    def list_vpcs(self, scope: Scope, provider: str, region_id: str, name: str, wanted: PageOf) -> Page[StoredVpc]:
        """The VPCs, as the cloud describes them now; as they were known where the cloud cannot be asked."""
        page = networks.page_vpcs(self.store, scope, provider, region_id, name, wanted)
        for account_id, region in {(vpc.account_id, vpc.region_id) for vpc in page.rows}:
            ids = [vpc.vpc_id for vpc in page.rows if (vpc.account_id, vpc.region_id) == (account_id, region)]
            self.refresher.refresh("VPCs", partial(self._refresh_vpcs, account_id, region, ids))
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

    def _make_vpc(
        self,
        provider: Provider,
        account: Account,
        region_id: str,
        name: str,
        cidr: str,
        attempt: Attempt,
        token: str,
    ) -> str:
        known = attempt.progress.id_of(VPC)
        if known:
            return known
        vpc_id = self._patiently(lambda: provider.create_vpc(CreateVpc(region_id, name, cidr, token)))
        with self.store.transaction():
            networks.add_vpc(self.store, account, region_id, vpc_id, name, cidr, attempt.caller)
            attempt.made(VPC, vpc_id)
        return vpc_id

    def _make_subnet(
        self, provider: Provider, vpc: StoredVpc, zone_id: str, name: str, cidr: str, attempt: Attempt, token: str
    ) -> str:
        known = attempt.progress.id_of(SUBNET)
        if known:
            return known
        request = CreateSubnet(vpc.region_id, vpc.vpc_id, vpc.cidr_block, zone_id, name, cidr, token)
        subnet_id = self._patiently(lambda: provider.create_subnet(request))
        with self.store.transaction():
            networks.add_subnet(self.store, vpc, subnet_id, zone_id, name, cidr, attempt.caller)
            attempt.made(SUBNET, subnet_id)
        return subnet_id

    def _make_group(
        self, provider: Provider, vpc: StoredVpc, name: str, group_type: str, attempt: Attempt, token: str
    ) -> str:
        """The group at the cloud; it is written down when the request has all that it asks for."""
        known = attempt.progress.id_of(GROUP)
        if known:
            return known
        request = CreateSecurityGroup(vpc.region_id, vpc.vpc_id, name, group_type, token)
        group_id = self._patiently(lambda: provider.create_security_group(request))
        with self.store.transaction():
            attempt.made(GROUP, group_id)
        return group_id

    # The way back.

    def _went_back(
        self, provider: Provider, place: _Place, steps: Mapping[str, Callable[[], str]], attempt: Attempt
    ) -> bool:
        """Removes what an earlier attempt was to remove and could not; True where the request is not to begin anew.

        One that failed, and whose caller is gone, is undone too: the caller was told that it failed.

        Raises:
            ProviderError: something still cannot be removed.
        """
        progress = attempt.progress
        if attempt.orphaned and progress.failure and not progress.undoing:
            attempt.undo(progress.failure, next((kind for kind in steps if not progress.id_of(kind)), ""))
        if not attempt.progress.undoing:
            return False
        left = self._undo(provider, place, steps, attempt)
        if left:
            raise _told(left[0][1], "what an earlier attempt has made is to be removed first", left)
        return attempt.orphaned

    def _undo(
        self, provider: Provider, place: _Place, steps: Mapping[str, Callable[[], str]], attempt: Attempt
    ) -> list[tuple[str, ProviderError]]:
        """Removes what a request has made, the last thing first; returns what is left, and why.

        What a call without an answer may have made is found out by making it again, under the same token.
        """
        left: list[tuple[str, ProviderError]] = []
        doubt = attempt.progress.doubt
        if doubt:
            try:
                steps[doubt]()
            except ProviderError as error:
                if error.kind not in WITHOUT_EFFECT:
                    left.append((f"a {WORDS[doubt]} that may have been made", error))
        for made in reversed(attempt.progress.made):
            try:
                self._remove(provider, place, made, attempt)
            except ProviderError as error:
                left.append((f"{WORDS[made.kind]} {made.id}", error))
        if not left:
            attempt.undone()
        return left

    def _remove(self, provider: Provider, place: _Place, made: Made, attempt: Attempt) -> None:
        region_id, vpc_id = place.region_id, place.vpc_id or attempt.progress.id_of(VPC)
        if made.kind == GROUP:
            self._patiently(lambda: provider.delete_security_group(region_id, made.id))
        elif made.kind == SUBNET:
            self._patiently(lambda: provider.delete_subnet(region_id, vpc_id, made.id))
        else:
            self._patiently(lambda: provider.delete_vpc(region_id, made.id))
        forget = {GROUP: networks.remove_group, SUBNET: networks.remove_subnet, VPC: networks.remove_vpc}[made.kind]
        with self.store.transaction():
            forget(self.store, made.id, place.account_id)
            attempt.removed(made.kind)

    def _ready_vpc(self, provider: Provider, region_id: str, vpc_id: str) -> None:
        def look() -> None:
            found = provider.describe_vpcs(region_id, [vpc_id])
            if not found or found[0].status != "Available":
                raise ProviderError(ErrorClass.CONFLICT, f"VPC {vpc_id} is not available yet", provider=provider.name)

        self._patiently(look)

    def _patiently(self, call: Callable[[], Answer]) -> Answer:
        """Repeats a call that meets something unfinished, until it works or the bound is reached.

        One without an answer is repeated too, a few times: every call here is safe to repeat. Where the last one was
        refused for the moment, and one before had no answer, that one is what is raised: it may have had its effect.
        """
        deadline = self.monotonic() + READY_TIMEOUT
        unanswered: list[ProviderError] = []
        while True:
            try:
                return call()
            except ProviderError as error:
                if error.kind in (ErrorClass.UNAVAILABLE, ErrorClass.TIMEOUT_UNKNOWN):
                    unanswered.append(error)
                passing = error.kind in PASSING and len(unanswered) < UNANSWERED_ATTEMPTS
                if not passing or self.monotonic() >= deadline:
                    raise (unanswered[-1] if unanswered and error.kind in PASSING else error) from None
                self.sleep(error.retry_after or READY_PAUSE)

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


def _check_inside(field: str, cidr: str, outer: str) -> None:
    if not ipaddress.IPv4Network(cidr).subnet_of(ipaddress.IPv4Network(outer)):
        raise InvalidFields([FieldError(field, f"{cidr} is not inside {outer}, the block of the VPC")])


def _told(error: ProviderError, what: str, left: Sequence[tuple[str, ProviderError]]) -> ProviderError:
    """The failure again, with what it means for the whole."""
    rest = "all that was made has been removed"
    if left:
        rest = f"could not be removed again: {'; '.join(f'{thing}: {why.message}' for thing, why in left)}"
    return ProviderError(
        error.kind,
        f"{what}: {error.message}; {rest}",
        provider=error.provider,
        operation=error.operation,
        vendor_code=error.vendor_code,
        request_id=error.request_id,
        http_status=error.http_status,
        retry_after=error.retry_after,
        field=error.field,
    )
