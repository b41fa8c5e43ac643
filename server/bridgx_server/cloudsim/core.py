"""One simulated cloud: networks, machines, capacity, quotas and client tokens, in words of no vendor.

Everything is called from one thread. Time is given, so nothing runs in the background: a machine's state follows from
the moments at which it was made and deleted. A change is in the journal before its call is answered.
"""

from __future__ import annotations

import hashlib
import ipaddress
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridgx_server.cloudsim.catalog import Catalog, ImageOffer, TypeOffer, catalog_of
from bridgx_server.cloudsim.entities import Account, Group, Machine, Subnet, Vpc, to_json
from bridgx_server.cloudsim.errors import Kind, SimError
from bridgx_server.cloudsim.faults import Fault
from bridgx_server.cloudsim.persistence import Journal

TOKEN_LIFE = 8 * 3600.0  # seconds


@dataclass
class Delays:
    """How long things take, in seconds; a pair is a range from which each machine or network gets its own.

    ``visible_network`` is how long a new VPC, subnet or security group is unknown to every other call: lists leave it out,
    and a call that names it is answered "not found", one that deletes it too. It exists all the same.
    ``billing`` is how long the cloud's billing takes to follow what was ordered: a conversion, an unsubscription.
    """

    boot: tuple[float, float] = (2.0, 6.0)
    delete: tuple[float, float] = (0.5, 2.0)
    visible: tuple[float, float] = (0.0, 0.0)
    visible_network: tuple[float, float] = (0.0, 0.0)
    keep_deleted: float = 0.0
    vpc: float = 0.0
    billing: float = 0.0


@dataclass
class Effects:
    """How faults change what a call does."""

    stockout: bool = False
    partial: int | None = None
    drop: float = 0.0
    never_boots: bool = False
    fails_to_boot: bool = False
    hidden_for: float = 0.0

    @classmethod
    def of(cls, faults: Iterable[Fault]) -> Effects:
        """The sum of the faults that strike a call."""
        effects = cls()
        for fault in faults:
            if fault.kind == "stockout":
                effects.stockout = True
            elif fault.kind == "partial":
                effects.partial = int(fault.params.get("count", 0))
            elif fault.kind == "incomplete_describe":
                effects.drop = float(fault.params.get("drop", 0.5))
            elif fault.kind == "never_boots":
                effects.never_boots = True
            elif fault.kind == "fails_to_boot":
                effects.fails_to_boot = True
            elif fault.kind == "late_describe":
                effects.hidden_for = float(fault.params.get("seconds", 10))
        return effects


@dataclass(frozen=True)
class Order:
    """What a call asks machines to be. ``lasts`` is for how many seconds they are paid in advance; 0: without end."""

    account: str
    region: str
    zone: str
    type_name: str
    image_id: str
    subnet_id: str
    group_ids: tuple[str, ...]
    count: int
    min_count: int
    name: str
    token: str
    fingerprint: str
    charge: str = "PostPaid"
    lasts: float = 0.0
    bandwidth: int = 0
    disks: tuple[Mapping[str, Any], ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


class SimCloud:
    """One cloud.

    ``prefixes`` shapes its ids: kind → function of a random hexadecimal string. ``reserved`` is how many addresses of a
    subnet no machine gets, at its start and at its end.
    """

    def __init__(
        self,
        provider: str,
        journal: Journal,
        clock: Callable[[], float],
        rng: random.Random,
        prefixes: Mapping[str, Callable[[str], str]],
        reserved: tuple[int, int] = (4, 1),
    ) -> None:
        self.provider = provider
        self.reserved = reserved
        self.catalog: Catalog = catalog_of(provider)
        self.delays = Delays()
        self.accounts: dict[str, Account] = {}
        self.capacity: dict[str, int] = {}
        self.refunds: int | None = None
        self.vpcs: dict[str, Vpc] = {}
        self.subnets: dict[str, Subnet] = {}
        self.groups: dict[str, Group] = {}
        self.machines: dict[str, Machine] = {}
        self.tokens: dict[str, dict[str, Any]] = {}
        self.clock = clock
        self._journal = journal
        self._random = rng
        self._prefixes = prefixes
        self._public = 0
        self._load()

    # Accounts.

    def add_account(self, account: Account) -> None:
        """Registers someone, or changes what is known of them."""
        self.accounts[account.access_key] = account
        self._put("account", account.access_key, account)

    # Networks.

    def knows(self, entity: Vpc | Subnet | Group) -> bool:
        """Whether calls know it by now."""
        return self.clock() >= entity.visible_at

    def known_vpcs(self, account: str, region: str = "") -> list[Vpc]:
        """The networks that a list shows now, of one region or all."""
        return [row for row in self.vpcs.values() if self._is_shown(row, account, region)]

    def known_subnets(self, account: str, region: str = "") -> list[Subnet]:
        """The subnets that a list shows now."""
        return [row for row in self.subnets.values() if self._is_shown(row, account, region)]

    def known_groups(self, account: str, region: str = "") -> list[Group]:
        """The security groups that a list shows now."""
        return [row for row in self.groups.values() if self._is_shown(row, account, region)]

    def _is_shown(self, entity: Vpc | Subnet | Group, account: str, region: str) -> bool:
        return entity.account == account and region in ("", entity.region) and self.knows(entity)

    def _network_visible_at(self, now: float) -> float:
        return now + self._random.uniform(*self.delays.visible_network)

    def create_vpc(self, account: str, region: str, name: str, cidr: str, *, description: str = "") -> Vpc:
        """Makes a network; the block must be valid for the vendor already."""
        self._region(region)
        now = self.clock()
        vpc = Vpc(
            self._new_id("vpc", self.vpcs),
            account,
            region,
            name,
            cidr,
            now,
            now + self.delays.vpc,
            description,
            visible_at=self._network_visible_at(now),
        )
        self.vpcs[vpc.vpc_id] = vpc
        self._put("vpc", vpc.vpc_id, vpc)
        return vpc

    def vpc(self, account: str, region: str, vpc_id: str) -> Vpc:
        """The network; raises NOT_FOUND."""
        found = self.vpcs.get(vpc_id)
        if found is None or found.account != account or found.region != region or not self.knows(found):
            raise SimError(Kind.NOT_FOUND, f"vpc {vpc_id} does not exist", subject="vpc", ids=(vpc_id,))
        return found

    def delete_vpc(self, account: str, region: str, vpc_id: str) -> None:
        """Removes an empty network; raises NOT_FOUND, IN_USE."""
        vpc = self.vpc(account, region, vpc_id)
        if any(subnet.vpc_id == vpc_id for subnet in self.subnets.values()) or any(
            group.vpc_id == vpc_id and group.name != "default" for group in self.groups.values()
        ):
            raise SimError(Kind.IN_USE, f"vpc {vpc_id} is not empty", subject="vpc", ids=(vpc_id,))
        for group in [group for group in self.groups.values() if group.vpc_id == vpc_id]:
            self._drop("group", self.groups, group.group_id)
        self._drop("vpc", self.vpcs, vpc.vpc_id)

    def create_subnet(
        self, account: str, region: str, vpc_id: str, zone: str, name: str, cidr: str, *, description: str = ""
    ) -> Subnet:
        """Makes a part of a network; raises NOT_FOUND, WRONG_STATE, CIDR_CONFLICT, CIDR_INVALID."""
        vpc = self.vpc(account, region, vpc_id)
        if zone and self.catalog.region_of(zone) != region:
            raise SimError(Kind.NOT_FOUND, f"zone {zone} does not exist", subject="zone", ids=(zone,))
        now = self.clock()
        if now < vpc.available_at:
            raise SimError(Kind.WRONG_STATE, f"vpc {vpc_id} is pending", subject="vpc", ids=(vpc_id,))
        block = ipaddress.ip_network(cidr)
        if not block.subnet_of(ipaddress.ip_network(vpc.cidr)):  # type: ignore[arg-type]
            raise SimError(Kind.CIDR_INVALID, f"{cidr} is not inside {vpc.cidr}", subject="subnet")
        for other in self.subnets.values():
            if other.vpc_id == vpc_id and ipaddress.ip_network(other.cidr).overlaps(block):
                raise SimError(Kind.CIDR_CONFLICT, f"{cidr} overlaps {other.cidr}", subject="subnet")
        subnet = Subnet(
            self._new_id("subnet", self.subnets),
            account,
            region,
            vpc_id,
            zone,
            name,
            cidr,
            now,
            now + self.delays.vpc,
            description,
            next_host=self.reserved[0],
            visible_at=self._network_visible_at(now),
        )
        self.subnets[subnet.subnet_id] = subnet
        self._put("subnet", subnet.subnet_id, subnet)
        return subnet

    def subnet(self, account: str, region: str, subnet_id: str) -> Subnet:
        """The subnet; raises NOT_FOUND."""
        found = self.subnets.get(subnet_id)
        if found is None or found.account != account or found.region != region or not self.knows(found):
            raise SimError(Kind.NOT_FOUND, f"subnet {subnet_id} does not exist", subject="subnet", ids=(subnet_id,))
        return found

    def delete_subnet(self, account: str, region: str, subnet_id: str) -> None:
        """Removes a subnet without machines; raises NOT_FOUND, IN_USE."""
        self.subnet(account, region, subnet_id)
        now = self.clock()
        if any(
            machine.subnet_id == subnet_id and machine.state(now) not in ("deleted", "gone")
            for machine in self.machines.values()
        ):
            raise SimError(Kind.IN_USE, f"subnet {subnet_id} has machines", subject="subnet", ids=(subnet_id,))
        self._drop("subnet", self.subnets, subnet_id)

    def free_addresses(self, subnet: Subnet) -> int:
        """How many machines the subnet still has addresses for."""
        size = ipaddress.ip_network(subnet.cidr).num_addresses
        return max(size - self.reserved[1] - subnet.next_host, 0) + len(subnet.free_hosts)

    def create_group(
        self, account: str, region: str, vpc_id: str, name: str, group_type: str = "normal", *, description: str = ""
    ) -> Group:
        """Makes a security group without rules; raises NOT_FOUND."""
        if vpc_id:
            self.vpc(account, region, vpc_id)
        visible_at = self._network_visible_at(self.clock())
        return self._new_group(account, region, vpc_id, name, group_type, description, visible_at)

    def create_default_group(self, vpc: Vpc, description: str) -> Group:
        """Makes the group that a VPC comes with, and that is seen when the VPC is."""
        return self._new_group(vpc.account, vpc.region, vpc.vpc_id, "default", "normal", description, vpc.visible_at)

    def _new_group(
        self, account: str, region: str, vpc_id: str, name: str, group_type: str, description: str, visible_at: float
    ) -> Group:
        group = Group(
            self._new_id("group", self.groups),
            account,
            region,
            vpc_id,
            name,
            group_type,
            self.clock(),
            description,
            visible_at=visible_at,
        )
        self.groups[group.group_id] = group
        self._put("group", group.group_id, group)
        return group

    def group(self, account: str, region: str, group_id: str) -> Group:
        """The security group; raises NOT_FOUND."""
        found = self.groups.get(group_id)
        if found is None or found.account != account or found.region != region or not self.knows(found):
            raise SimError(Kind.NOT_FOUND, f"group {group_id} does not exist", subject="group", ids=(group_id,))
        return found

    def add_rules(self, group: Group, rules: Sequence[dict[str, Any]], *, duplicates: bool) -> None:
        """Adds rules; one that exists is passed over if ``duplicates``, else refused with all the others."""
        fresh = [rule for rule in rules if rule not in group.rules]
        if len(fresh) < len(rules) and not duplicates:
            raise SimError(Kind.DUPLICATE, "a rule exists already", subject="rule")
        group.rules.extend(fresh)
        self._put("group", group.group_id, group)

    def drop_rules(self, group: Group, rules: Sequence[dict[str, Any]]) -> None:
        """Takes rules out; those that are not there are passed over."""
        group.rules = [rule for rule in group.rules if rule not in rules]
        self._put("group", group.group_id, group)

    def delete_group(self, account: str, region: str, group_id: str) -> None:
        """Removes a group without machines; raises NOT_FOUND, IN_USE."""
        self.group(account, region, group_id)
        now = self.clock()
        if any(
            group_id in machine.group_ids and machine.state(now) not in ("deleted", "gone")
            for machine in self.machines.values()
        ):
            raise SimError(Kind.IN_USE, f"group {group_id} has machines", subject="group", ids=(group_id,))
        self._drop("group", self.groups, group_id)

    def show_networks(self, network_id: str, visible_at: float) -> None:
        """From when on calls know a VPC, subnet or group, or all of them (``*``); raises NOT_FOUND."""
        found = [row for table in (self.vpcs, self.subnets, self.groups) for row in _named(table, network_id)]
        if not found and network_id != "*":
            raise SimError(Kind.NOT_FOUND, f"network {network_id} does not exist", subject="network")
        for row in found:
            row.visible_at = visible_at
            self.tag(row, {})

    def forget_network(self, network_id: str) -> bool:
        """Takes a VPC, subnet or group out behind everyone's back; False where there is none of that id."""
        for kind, table in (("vpc", self.vpcs), ("subnet", self.subnets), ("group", self.groups)):
            if network_id in table:
                self._drop(kind, table, network_id)
                return True
        return False

    def tag(self, entity: Vpc | Subnet | Group | Machine, tags: Mapping[str, str]) -> None:
        """Adds tags, and writes down any other change that was made to the entity."""
        entity.tags.update(tags)
        kind, key = {
            Vpc: ("vpc", "vpc_id"),
            Subnet: ("subnet", "subnet_id"),
            Group: ("group", "group_id"),
            Machine: ("machine", "machine_id"),
        }[type(entity)]
        self._put(kind, getattr(entity, key), entity)

    # Tokens.

    def remembered(self, account: str, operation: str, token: str, fingerprint: str) -> list[str] | None:
        """The answer to an earlier call under this token, None if there was none; raises TOKEN_MISMATCH."""
        if not token:
            return None
        entry = self.tokens.get(f"{account}/{operation}/{token}")
        if entry is None or self.clock() - entry["at"] > TOKEN_LIFE:
            return None
        if entry["fingerprint"] != fingerprint:
            raise SimError(Kind.TOKEN_MISMATCH, "the client token was used with other parameters", subject="token")
        return list(entry["ids"])

    def remember(self, account: str, operation: str, token: str, fingerprint: str, ids: Sequence[str]) -> None:
        """Keeps the answer to a call under its token."""
        if not token:
            return
        key = f"{account}/{operation}/{token}"
        self.tokens[key] = {"id": key, "fingerprint": fingerprint, "ids": list(ids), "at": self.clock()}
        self._journal.put(self.provider, "token", key, self.tokens[key])

    # Machines.

    def create_machines(self, order: Order, effects: Effects) -> list[Machine]:
        """Makes machines, or finds those that were made under the token.

        Raises NOT_FOUND, NOT_OFFERED, QUOTA, NO_STOCK, NO_ADDRESSES, TOKEN_MISMATCH.
        """
        known = self.remembered(order.account, "machines", order.token, order.fingerprint)
        if known is not None:
            return [self.machines[machine_id] for machine_id in known if machine_id in self.machines]
        subnet, offer = self.check_order(order)
        number = self._grant(order, offer, subnet, effects)
        now = self.clock()
        made = [self._make(order, subnet, offer, now, effects) for _ in range(number)]
        self._put("subnet", subnet.subnet_id, subnet)
        self.remember(
            order.account, "machines", order.token, order.fingerprint, [machine.machine_id for machine in made]
        )
        return made

    def check_order(self, order: Order) -> tuple[Subnet, TypeOffer]:
        """Whether what the order names exists and fits together; raises NOT_FOUND, NOT_OFFERED."""
        subnet = self.subnet(order.account, order.region, order.subnet_id)
        zone = order.zone or subnet.zone
        if self.catalog.region_of(zone) != order.region:
            raise SimError(Kind.NOT_FOUND, f"zone {zone} does not exist", subject="zone", ids=(zone,))
        if subnet.zone and subnet.zone != zone:
            raise SimError(Kind.NOT_FOUND, f"subnet {subnet.subnet_id} is in zone {subnet.zone}", subject="subnet_zone")
        for group_id in order.group_ids:
            if self.group(order.account, order.region, group_id).vpc_id not in ("", subnet.vpc_id):
                raise SimError(
                    Kind.NOT_FOUND, f"group {group_id} is in another vpc", subject="group_vpc", ids=(group_id,)
                )
        if self.image(order.region, order.image_id) is None:
            raise SimError(Kind.NOT_FOUND, f"image {order.image_id} does not exist", subject="image")
        offer = self.catalog.types.get(order.type_name)
        if offer is None:
            raise SimError(Kind.NOT_FOUND, f"type {order.type_name} does not exist", subject="type")
        if offer not in self.catalog.types_in(zone):
            raise SimError(Kind.NOT_OFFERED, f"type {order.type_name} is not sold in {zone}", subject="type")
        return subnet, offer

    def check_quota(self, order: Order) -> None:
        """Whether the account may have as many machines more in the region; raises QUOTA."""
        quota = self.accounts[order.account].machine_quota
        room = quota - len(self.alive(order.account, order.region))
        if room < order.count:
            raise SimError(
                Kind.QUOTA,
                f"the quota is {quota} machines; {max(room, 0)} are left",
                subject="machine",
                numbers={"asked": order.count, "limit": quota},
            )

    def image(self, region: str, image_id: str) -> ImageOffer | None:
        """The image if the region has it."""
        return self.catalog.images.get(region, {}).get(image_id)

    def left_in_stock(self, zone: str, type_name: str) -> int:
        """Machines of a type that a zone can still give."""
        return self.capacity.get(f"{zone}/{type_name}", self.capacity.get(f"{zone}/*", 10**9))

    def set_capacity(self, zone: str, type_name: str, count: int | None) -> None:
        """Sets what is in stock; ``type_name`` may be ``*``; None: without end."""
        key = f"{zone}/{type_name}"
        if count is None:
            self.capacity.pop(key, None)
            self._journal.drop(self.provider, "capacity", key)
        else:
            self.capacity[key] = count
            self._journal.put(self.provider, "capacity", key, {"id": key, "count": count})

    def alive(self, account: str, region: str = "") -> list[Machine]:
        """The machines of an account that have not been deleted."""
        now = self.clock()
        return [
            machine
            for machine in self.machines.values()
            if machine.account == account
            and region in ("", machine.region)
            and machine.state(now) not in ("deleted", "gone")
        ]

    def visible(self, account: str, region: str, effects: Effects, dropped: Callable[[float], bool]) -> list[Machine]:
        """The machines that a describe shows now, in the order in which they were made."""
        now = self.clock()
        self._forget_gone(now)
        return [
            machine
            for machine in self.machines.values()
            if machine.account == account
            and machine.region == region
            and now >= machine.visible_at
            and machine.state(now) != "gone"
            and not (effects.drop and dropped(effects.drop))
        ]

    def delete_machines(self, machines: Sequence[Machine]) -> None:
        """Begins to delete; what is being deleted already goes on as it was."""
        now = self.clock()
        for machine in machines:
            if machine.deleting_at:
                continue
            machine.deleting_at = now
            machine.deleted_at = now + self._random.uniform(*self.delays.delete)
            machine.gone_at = machine.deleted_at + self.delays.keep_deleted
            self._release(machine)
            self._put("machine", machine.machine_id, machine)

    def convert(self, machines: Sequence[Machine]) -> None:
        """Orders that machines paid for in advance are billed by use; raises NO_REFUND.

        Billing follows late; ordered once more meanwhile, it goes on as it was.
        """
        fresh = [machine for machine in machines if not machine.converted_at]
        self.refund(len(fresh))
        now = self.clock()
        for machine in fresh:
            machine.converted_at = now + self.delays.billing
            self._put("machine", machine.machine_id, machine)

    def refund(self, number: int) -> None:
        """Takes that many machines off what the account may give back in this month; raises NO_REFUND, and takes none."""
        if self.refunds is None:
            return
        if number > self.refunds:
            raise SimError(
                Kind.NO_REFUND, f"{self.refunds} more machines may be given back this month", subject="machine"
            )
        self.refunds -= number

    def change_machine(self, machine_id: str, **changes: Any) -> Machine:
        """Changes a machine behind everyone's back; raises NOT_FOUND."""
        machine = self.machines.get(machine_id)
        if machine is None:
            raise SimError(Kind.NOT_FOUND, f"machine {machine_id} does not exist", subject="machine")
        for name, value in changes.items():
            setattr(machine, name, value)
        self._put("machine", machine_id, machine)
        return machine

    def _grant(self, order: Order, offer: TypeOffer, subnet: Subnet, effects: Effects) -> int:
        self.check_quota(order)
        zone = order.zone or subnet.zone
        stock = 0 if effects.stockout else self.left_in_stock(zone, offer.name)
        if effects.partial is not None:
            stock = min(stock, effects.partial)
        number = min(order.count, stock)
        if number < order.min_count or number == 0:
            raise SimError(Kind.NO_STOCK, f"{offer.name} is sold out in {zone}", subject="type")
        if self.free_addresses(subnet) < number:
            message = f"subnet {subnet.subnet_id} has too few addresses"
            raise SimError(Kind.NO_ADDRESSES, message, subject="subnet", ids=(subnet.subnet_id,))
        for key in (f"{zone}/{offer.name}", f"{zone}/*"):
            if key in self.capacity:
                self.capacity[key] -= number
                self._journal.put(self.provider, "capacity", key, {"id": key, "count": self.capacity[key]})
                break
        return number

    def _make(self, order: Order, subnet: Subnet, offer: TypeOffer, now: float, effects: Effects) -> Machine:
        host = subnet.free_hosts.pop(0) if subnet.free_hosts else subnet.next_host
        if host == subnet.next_host:
            subnet.next_host += 1
        boots_at = now + self._random.uniform(*self.delays.boot)
        machine = Machine(
            machine_id=self._new_id("machine", self.machines),
            account=order.account,
            region=order.region,
            zone=order.zone or subnet.zone,
            type_name=offer.name,
            image_id=order.image_id,
            vpc_id=subnet.vpc_id,
            subnet_id=subnet.subnet_id,
            group_ids=list(order.group_ids),
            name=order.name,
            private_ip=str(ipaddress.ip_network(subnet.cidr)[host]),
            public_ip=self._public_ip() if order.bandwidth else "",
            created_at=now,
            boots_at=now + 10**9 if effects.never_boots else boots_at,
            visible_at=now + max(self._random.uniform(*self.delays.visible), effects.hidden_for),
            charge=order.charge,
            expires_at=now + order.lasts if order.lasts else 0.0,
            bandwidth=order.bandwidth,
            disks=[dict(disk) for disk in order.disks],
            tags=dict(order.tags),
            fails=effects.fails_to_boot,
        )
        self.machines[machine.machine_id] = machine
        self._put("machine", machine.machine_id, machine)
        return machine

    def _public_ip(self) -> str:
        # 198.18.0.0/15 is set aside for tests and belongs to nobody.
        self._public += 1
        return str(ipaddress.ip_network("198.18.0.0/15")[self._public % 131_000 + 1])

    def _release(self, machine: Machine) -> None:
        subnet = self.subnets.get(machine.subnet_id)
        if subnet is not None:
            network = ipaddress.ip_network(subnet.cidr)
            subnet.free_hosts.append(int(ipaddress.ip_address(machine.private_ip)) - int(network.network_address))
            self._put("subnet", subnet.subnet_id, subnet)
        for key in (f"{machine.zone}/{machine.type_name}", f"{machine.zone}/*"):
            if key in self.capacity:
                self.capacity[key] += 1
                self._journal.put(self.provider, "capacity", key, {"id": key, "count": self.capacity[key]})
                break

    def _forget_gone(self, now: float) -> None:
        for machine_id in [
            key for key, machine in self.machines.items() if machine.deleting_at and machine.state(now) == "gone"
        ]:
            self._drop("machine", self.machines, machine_id)

    def _region(self, region: str) -> None:
        if region not in self.catalog.regions:
            raise SimError(Kind.NOT_FOUND, f"region {region} does not exist", subject="region", ids=(region,))

    def _new_id(self, kind: str, taken: Mapping[str, Any]) -> str:
        while True:
            made = self._prefixes[kind](f"{self._random.getrandbits(80):020x}")
            if made not in taken:
                return made

    # The journal.

    def commit(self) -> None:
        """Writes down what a call has changed."""
        self._journal.commit()

    def _put(self, kind: str, key: str, entity: Any) -> None:
        self._journal.put(self.provider, kind, key, to_json(entity))

    def _drop(self, kind: str, table: dict[str, Any], key: str) -> None:
        del table[key]
        self._journal.drop(self.provider, kind, key)

    def _load(self) -> None:
        def rows(kind: str) -> Iterable[dict[str, Any]]:
            return self._journal.load(self.provider, kind)

        self.accounts = {row["access_key"]: Account(**row) for row in rows("account")}
        self.vpcs = {row["vpc_id"]: Vpc(**row) for row in rows("vpc")}
        self.subnets = {row["subnet_id"]: Subnet(**row) for row in rows("subnet")}
        self.groups = {row["group_id"]: Group(**row) for row in rows("group")}
        machines = sorted((Machine(**row) for row in rows("machine")), key=lambda machine: machine.created_at)
        self.machines = {machine.machine_id: machine for machine in machines}
        self.tokens = {row["id"]: row for row in rows("token")}
        self.capacity = {row["id"]: row["count"] for row in rows("capacity")}
        self._public = len(self.machines)


def _named(table: Mapping[str, Any], key: str) -> list[Any]:
    return list(table.values()) if key == "*" else [table[key]] if key in table else []


def fingerprint_of(parameters: Mapping[str, Any], without: Iterable[str] = ()) -> str:
    """A short text that differs where parameters do."""
    passed_over = set(without)
    text = repr(sorted((key, value) for key, value in parameters.items() if key not in passed_over))
    return hashlib.sha256(text.encode()).hexdigest()
