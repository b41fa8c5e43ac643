"""Two access keys of one cloud account, registered as the accounts of two tenants: each sees the other's machines at the
cloud, and here neither is shown them, adopts them or can delete them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bridgx.v1 as pb
import pytest
from bridgx import Client
from bridgx_server.cloudsim.front import FRONTS
from bridgx_server.provisioning.cloud_accounts import learn
from bridgx_server.server import Parts
from bridgx_server.store import accounts, comparisons, orphans
from bridgx_server.store.models import AccountRow, VpcRow, WatchRow
from bridgx_server.store.scope import EVERYTHING
from bridgx_server.store.secrets import Keyring
from contract.conftest import until
from contract.reconciling import KEY, PASSWORD, World, a_world
from contract.test_reconcile import settle

CLOUD = "AWSCloud"
SECOND, SECRET = "second-key", "the-secret-of-the-second-key"
TELLS_NOT = ("BaiduCloud",)  # clouds that do not say whose a key is


@dataclass
class Tenant:
    """An operator of one account alone."""

    world: World
    key: str
    client: Client

    def orphans(self) -> set[str]:
        return {row.instance_id for row in self.client.list_orphans()}

    def findings(self) -> set[tuple[str, str]]:
        return {(row.kind, row.instance_id) for row in self.client.list_findings()}

    def deleted(self, *instance_ids: str) -> dict[str, str]:
        request = pb.DeleteOrphansRequest(instance_ids=instance_ids)
        return {row.instance_id: row.result for row in self.client.reconcile.DeleteOrphans(request).results}

    def compared(self) -> pb.Comparison:
        """What the operator sees of a comparison that begins now."""
        which = pb.StartComparisonRequest(provider=self.world.cloud, account=self.key)
        asked = self.world.client.reconcile.StartComparison(which)
        found: list[pb.Comparison] = []

        def over() -> bool:
            found[:] = [row for row in self.client.list_comparisons() if row.account == self.key]
            return bool(found) and found[0].start_at.ToMilliseconds() >= asked.asked_at.ToMilliseconds()

        until(over)
        assert found[0].status == "ok", found[0]
        return found[0]

    def cluster(self, count: int) -> tuple[str, list[str]]:
        """A cluster of the account, in the network that both keys see, and its machines."""
        request = pb.CreateClusterRequest(
            name=f"of-{self.key}-{count}",
            provider=self.world.cloud,
            account_key=self.key,
            password=PASSWORD,
            network_config=pb.NetworkConfig(**self.world.network),
            disks=pb.DiskConfig(system_disk=pb.Disk(category="cloud_efficiency", size=50)),
            **self.world.place,
        )
        name = self.client.clusters.CreateCluster(request).cluster_name
        expand = pb.ExpandClusterRequest(cluster_name=name, task_name="grow", count=count)
        task = self.client.wait_task(self.client.tasks.ExpandCluster(expand).task_id, timeout=120)
        assert (task.status, task.running) == ("SUCCESS", count), task
        return name, list(self.world.statuses(name))


@dataclass
class Shared:
    """The world, and the two tenants of its one cloud account. ``both`` sees the accounts of both."""

    world: World
    first: Tenant
    second: Tenant
    both: Client
    stack: ExitStack
    told: bool

    def token(self, name: str, *keys: str) -> Client:
        return a_client(self.stack, self.world, name, *keys)

    def number(self, key: str) -> int:
        return accounts.by_key(self.world.store, EVERYTHING, self.world.cloud, key).id


def a_client(stack: ExitStack, world: World, name: str, *keys: str) -> Client:
    named = [pb.TokenAccount(provider=world.cloud, account_key=key) for key in keys]
    made = world.client.tokens.CreateToken(pb.CreateTokenRequest(name=name, role="operator", accounts=named))
    return stack.enter_context(Client(f"127.0.0.1:{world.server.port}", made.token, timeout=60))


def at_the_cloud(world: World, key: str, secret: str, **further: Any) -> pb.CreateAccountResponse:
    """Another access key at the cloud, registered as an account."""
    world.control.call("POST", "/accounts", {"cloud": world.cloud, "access_key": key, "secret": secret, **further})
    return world.client.accounts.CreateAccount(
        pb.CreateAccountRequest(
            provider=world.cloud,
            account_name=key,
            account_key=key,
            account_secret=secret,
            project_id=further.get("project_id", ""),
        )
    )


def shared_world(stack: ExitStack, cloud: str, directory: Path, database_url: str = "") -> Shared:
    world = stack.enter_context(a_world(cloud, directory, database_url))
    project = {"project_id": "demo-project"} if cloud == "HuaweiCloud" else {}
    answer = at_the_cloud(world, SECOND, SECRET, owner=world.key, **project)
    told = cloud not in TELLS_NOT
    assert answer.cloud_account_shared is told
    clients = [a_client(stack, world, f"operator-of-{key}", key) for key in (world.key, SECOND)]
    both = a_client(stack, world, "operator-of-both", world.key, SECOND)
    first, second = (Tenant(world, key, client) for key, client in zip((world.key, SECOND), clients, strict=True))
    return Shared(world, first, second, both, stack, told)


@pytest.fixture(params=sorted(FRONTS))
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shared]:
    with ExitStack() as stack:
        yield shared_world(stack, request.param, tmp_path)


@pytest.fixture
def one_cloud(tmp_path: Path) -> Iterator[Shared]:
    with ExitStack() as stack:
        yield shared_world(stack, CLOUD, tmp_path)


@pytest.fixture
def on_each_database(database_url: str, tmp_path: Path) -> Iterator[Shared]:
    with ExitStack() as stack:
        yield shared_world(stack, CLOUD, tmp_path, database_url)


def a_life(shared: Shared) -> None:
    world, first, second = shared.world, shared.first, shared.second
    cluster, (mine, forgotten, *_) = first.cluster(3)
    _, theirs = second.cluster(1)
    settle()
    machines = set(world.at_the_cloud())
    assert len(machines) == 4

    # The other key sees all four, and is told of its own alone.
    row = second.compared()
    assert (row.listed, row.orphans, row.adopted, row.missing) == (1, 0, 0, 0), row
    row = first.compared()
    assert (row.listed, row.orphans, row.adopted, row.missing) == (3, 0, 0, 0), row
    assert world.orphans() == {}

    # What the inventory has lost is taken back by the account whose task made it, never by the other.
    world.forget(forgotten)
    row = second.compared()
    assert (row.listed, row.orphans, row.adopted) == (1, 0, 0), row
    assert second.deleted(forgotten, mine) == {forgotten: "unreported", mine: "unreported"}
    assert first.compared().adopted == 1
    until(lambda: set(world.statuses(cluster).values()) == {"Running"})

    # What an earlier version has reported is not deleted either, and goes with the next comparison.
    a_row_of_old(shared, mine)
    assert mine in world.orphans()
    assert second.deleted(mine) == {mine: "unreported"}
    told = {row.instance_id: row for row in delete_as_root(world, mine)}
    assert (told[mine].result, first.key in told[mine].detail) == ("known", True), told
    second.compared()
    assert mine not in world.orphans()
    assert ("orphan", mine) not in second.findings()

    # What nobody can explain is told of once, to who sees all accounts that it can be of.
    orphan = world.orphan()
    rows = [second.compared(), first.compared(), second.compared()]
    assert [(row.listed, row.orphans) for row in rows] == [(1, 0), (3, 0), (1, 0)]
    assert {key: row.account for key, row in world.orphans().items()} == {orphan: first.key}
    assert sum(row.orphans for row in world.client.list_comparisons()) == 1
    assert first.orphans() == second.orphans() == set()
    assert first.deleted(orphan) == second.deleted(orphan) == {orphan: "unreported"}
    assert {row.instance_id for row in shared.both.list_orphans()} == {orphan}
    assert not {orphan} & {machine for _, machine in first.findings() | second.findings()}

    assert set(world.at_the_cloud()) == machines | {orphan}
    request = pb.DeleteOrphansRequest(instance_ids=[orphan])
    assert [row.result for row in shared.both.reconcile.DeleteOrphans(request).results] == ["deleting"]
    until(lambda: set(world.at_the_cloud()) == machines)
    assert set(world.statuses(cluster)) | set(theirs) == machines


def a_row_of_old(shared: Shared, machine: str) -> None:
    """An orphan of the second account, as it was reported before it was known that another's cluster has it."""
    world, number = shared.world, shared.number(SECOND)
    tags = dict(world.at_the_cloud()[machine]["tags"])
    with world.store.transaction():
        now = world.store.now()
        seen = orphans.Sighting(machine, "running", "", "", "10.0.0.9", 0, tags, "its task worked on another account")
        orphans.report(number, world.region, [seen], now)
        comparisons.note(comparisons.ORPHAN, number, world.region, [comparisons.Found(machine)], now)


def delete_as_root(world: World, machine: str) -> list[pb.OrphanDeletion]:
    request = pb.DeleteOrphansRequest(instance_ids=[machine])
    return list(world.client.reconcile.DeleteOrphans(request).results)


def test_what_one_key_has_made_is_no_matter_of_the_other(shared: Shared) -> None:
    a_life(shared)


def test_the_same_on_each_database(on_each_database: Shared) -> None:
    a_life(on_each_database)


def test_the_accounts_are_listed_as_one_of_the_cloud(shared: Shared) -> None:
    world = shared.world

    def listed() -> dict[str, tuple[str, bool]]:
        rows = world.client.accounts.ListAccounts(pb.ListAccountsRequest(provider=world.cloud)).account_list
        return {row.account_key: (row.cloud_account_id, row.cloud_account_shared) for row in rows}

    at_the_cloud(world, "stranger", "the-secret-of-a-stranger")
    if not shared.told:
        assert set(listed().values()) == {("", False)}
        # The cloud does not say so, but a machine that both see does.
        shared.first.cluster(1)
        shared.second.cluster(2)
        shared.first.compared()
    found = listed()
    assert found[shared.first.key] == found[SECOND]
    assert found[SECOND][0]
    assert found[SECOND][1]
    assert found["stranger"][0] != found[SECOND][0]
    assert not found["stranger"][1]
    # Who sees one account alone learns no more than that there is another.
    (row,) = shared.second.client.accounts.ListAccounts(pb.ListAccountsRequest()).account_list
    assert (row.account_key, row.cloud_account_shared) == (SECOND, True)


def test_an_orphan_that_a_task_has_made_is_told_of_to_its_own_account(one_cloud: Shared) -> None:
    world, first, second = one_cloud.world, one_cloud.first, one_cloud.second
    _, (mine,) = first.cluster(1)
    second.cluster(2)
    copied = world.stranger(world.at_the_cloud()[mine]["tags"])  # its task has as many as it asked for
    assert (second.compared().orphans, first.compared().orphans) == (0, 1)
    assert (first.orphans(), second.orphans()) == ({copied}, set())
    (row,) = first.client.list_orphans()
    assert row.made_by == first.key
    assert second.deleted(copied) == {copied: "unreported"}
    assert first.deleted(copied) == {copied: "deleting"}


def test_tags_copied_to_another_account_of_the_cloud_are_an_orphan_there(one_cloud: Shared) -> None:
    world, first = one_cloud.world, one_cloud.first
    _, (mine,) = first.cluster(1)
    at_the_cloud(world, "stranger", "the-secret-of-a-stranger")
    stranger = Tenant(world, "stranger", one_cloud.token("operator-of-stranger", "stranger"))
    zone = world.place["zone_id"]
    request = pb.CreateNetworkConfigRequest(
        provider=world.cloud,
        region_id=world.region,
        zone_id=zone,
        cidr_block="172.16.0.0/16",
        vpc_name="theirs",
        switch_cidr_block="172.16.0.0/20",
        switch_name="switch",
        security_group_name="group",
        security_group_type="normal",
        ak="stranger",
    )
    stranger.client.networks.CreateNetworkConfig(request)
    machines = world.simulator.clouds[world.cloud].machines
    copied = world.stranger(world.at_the_cloud()[mine]["tags"])
    machines[copied].account = "stranger"
    report = stranger.compared()
    assert (report.listed, report.orphans) == (1, 1)
    (row,) = stranger.client.list_orphans()
    assert row.instance_id == copied
    assert "were copied" in row.reason
    assert first.key not in row.reason
    assert row.account == "stranger"
    assert first.compared().orphans == 0
    assert stranger.deleted(copied) == {copied: "deleting"}


def test_accounts_of_an_older_version_are_asked_whose_they_are(one_cloud: Shared) -> None:
    world = one_cloud.world
    with world.store.transaction():
        AccountRow.update(cloud_account_id="", cloud_account_at=0).execute()
    learn(world.store, Parts(world.settings, world.store, Keyring.of(KEY), {}).clouds())
    rows = world.client.accounts.ListAccounts(pb.ListAccountsRequest()).account_list
    assert len({row.cloud_account_id for row in rows}) == 1
    assert all(row.cloud_account_id and row.cloud_account_shared for row in rows)


def test_an_account_whose_key_may_not_ask_is_told_by_its_machines(one_cloud: Shared) -> None:
    world = one_cloud.world
    world.control.fault(
        "error", cloud=CLOUD, action="GetCallerIdentity", params={"code": "AccessDenied", "status": 403}
    )
    answer = at_the_cloud(world, "third-key", "the-secret-of-the-third", owner=world.key)
    assert not answer.cloud_account_shared
    third = Tenant(world, "third-key", one_cloud.token("operator-of-third", "third-key"))
    _, machines = one_cloud.first.cluster(2)
    third.cluster(1)
    report = third.compared()
    assert (report.listed, report.orphans) == (1, 0)
    (row,) = third.client.accounts.ListAccounts(pb.ListAccountsRequest()).account_list
    assert row.cloud_account_shared
    assert third.deleted(*machines) == dict.fromkeys(machines, "unreported")
    assert set(machines) <= set(world.at_the_cloud())


def test_a_new_key_of_another_cloud_account_is_not_taken_for_the_old_ones(one_cloud: Shared) -> None:
    world = one_cloud.world

    def listed() -> tuple[str, bool]:
        rows = world.client.accounts.ListAccounts(pb.ListAccountsRequest(provider=CLOUD)).account_list
        return next((row.cloud_account_id, row.cloud_account_shared) for row in rows if row.account_key == "third-key")

    def update(key: str, secret: str) -> None:
        request = pb.UpdateAccountRequest(provider=CLOUD, account_key="third-key", account_secret=secret)
        request.new_account_key = key
        world.client.accounts.UpdateAccount(request)

    at_the_cloud(world, "third-key", "the-secret-of-the-third", owner=world.key)
    before = listed()
    assert before[1]
    further = {"cloud": CLOUD, "access_key": "key-of-another", "secret": "the-secret-of-another"}
    world.control.call("POST", "/accounts", further)
    world.control.fault(
        "error", cloud=CLOUD, action="GetCallerIdentity", params={"code": "AccessDenied", "status": 403}
    )
    # Another secret of the same key is the same account's.
    update("", "the-secret-of-the-third")
    assert listed() == before
    update("key-of-another", "the-secret-of-another")
    assert listed() == ("", False)
    world.control.clear_faults()
    learn(world.store, Parts(world.settings, world.store, Keyring.of(KEY), {}).clouds())
    assert listed()[0] not in ("", before[0])
    assert not listed()[1]


def test_an_account_may_go_while_another_key_of_it_stays(one_cloud: Shared) -> None:
    world, second = one_cloud.world, one_cloud.second
    name, _ = second.cluster(1)
    orphan = world.orphan()
    one_cloud.first.compared()
    second.compared()
    assert world.orphans()[orphan].account == world.key
    # Its network is still there.
    vpcs = world.client.networks.ListVpcs(pb.ListVpcsRequest(provider=world.cloud, region_id=world.region)).vpcs
    assert len(vpcs) == 1
    with world.store.transaction():
        VpcRow.delete().execute()
    world.client.accounts.DeleteAccount(pb.DeleteAccountRequest(provider=world.cloud, account_key=world.key))
    assert world.orphans() == {}
    assert second.compared().orphans == 1
    assert second.orphans() == {orphan}
    assert second.deleted(orphan) == {orphan: "deleting"}
    assert set(world.statuses(name).values()) == {"Running"}


def test_where_one_key_alone_has_looked_another_looks_when_it_goes(on_each_database: Shared) -> None:
    world = on_each_database.world
    orphan = world.orphan()
    on_each_database.first.compared()
    assert world.orphans()[orphan].account == world.key
    with world.store.transaction():
        # The other was never used there.
        WatchRow.delete().where(WatchRow.account_id == on_each_database.number(SECOND)).execute()
        VpcRow.delete().execute()
    world.client.accounts.DeleteAccount(pb.DeleteAccountRequest(provider=world.cloud, account_key=world.key))
    until(lambda: orphan in world.orphans())
    assert world.orphans()[orphan].account == SECOND
    assert on_each_database.second.deleted(orphan) == {orphan: "deleting"}
