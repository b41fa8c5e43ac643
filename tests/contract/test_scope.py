"""Lists, totals and sums hold what the scope does and no more, on every database, also where they are remembered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from bridgx_server.errors import NotFound
from bridgx_server.providers.base import Charge, Credentials, Disk
from bridgx_server.store import accounts, audit, clusters, listing, networks, usage
from bridgx_server.store.audit import Resource
from bridgx_server.store.chunks import Placement
from bridgx_server.store.clusters import ClusterTemplate
from bridgx_server.store.database import Store
from bridgx_server.store.listing import MachineFilter
from bridgx_server.store.migrations import migrate
from bridgx_server.store.models import AccountRow, InstanceRow, TaskRow
from bridgx_server.store.paging import PageOf
from bridgx_server.store.scope import EVERYTHING, AccountName, Scope
from bridgx_server.store.secrets import Keyring
from bridgx_server.store.usage import Day

KEYRING = Keyring.of(b"k" * 32)
PAGE = PageOf.asked(1, 50)
NOBODY = Scope.of([])
HOUR = 3_600_000  # ms


def scope_of(*keys: str) -> Scope:
    return Scope.of([AccountName("AWSCloud", key) for key in keys])


def registered(store: Store, key: str) -> int:
    return accounts.register(store, KEYRING, Credentials("AWSCloud", key, "secret", ""), name=key, caller="test").id


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """Accounts A, B and C with one, two and three machines and tasks, all long settled; each network has the same id."""
    store = Store(database_url)
    migrate(store)
    for count, key in enumerate("ABC", 1):
        account = accounts.by_key(store, EVERYTHING, "AWSCloud", key) if registered(store, key) else None
        assert account is not None
        networks.add_vpc(store, account, "us-east-1", "vpc-same", f"vpc of {key}", "10.0.0.0/16", "test")
        vpc = networks.get_vpc(store, scope_of(key), "vpc-same")
        networks.add_subnet(store, vpc, "subnet-same", "us-east-1a", f"subnet of {key}", "10.0.0.0/20", "test")
        networks.add_group(store, vpc, "sg-same", f"group of {key}", "normal", (), "test")
        with store.transaction():
            for number in range(count):
                _history(store, account.id, key, number)
    yield store
    store.close()


def _history(store: Store, account_id: int, key: str, number: int) -> None:
    then = store.now() - 2 * HOUR
    common = {
        "account_id": account_id,
        "account_key": key,
        "provider": "AWSCloud",
        "cluster_id": 1,
        "cluster_name": "web",
    }
    TaskRow.create(
        **common,
        name=f"{key}{number}",
        action="EXPAND",
        status="SUCCESS",
        phase="FINISHED",
        asked=1,
        reason="",
        error_class="",
        cancel="",
        created_at=then,
        created_by="test",
        finished_at=then,
    )
    InstanceRow.create(
        **common,
        instance_id=f"i-{key}{number}",
        region_id="us-east-1",
        zone_id="us-east-1a",
        task_id=1,
        chunk_id=1,
        instance_type="m5.large",
        image_id="ami-1",
        status="running",
        ip_inner="10.0.0.4",
        created_at=then,
        running_at=then,
        gone_at=0,
    )


SCOPES = {"A": scope_of("A"), "B": scope_of("B"), "AC": scope_of("A", "C"), "ABC": EVERYTHING, "": NOBODY}
COUNTS = {"A": 1, "B": 2, "C": 3}


@pytest.mark.parametrize("which", [MachineFilter(), MachineFilter(cluster_name="web"), MachineFilter(ip="10.0.0.4")])
def test_lists_and_their_totals(store: Store, which: MachineFilter) -> None:
    for _ in range(2):  # the second time from what is remembered
        for keys, scope in SCOPES.items():
            expected = sum(COUNTS[key] for key in keys)
            machines = listing.page_machines(store, scope, which, PAGE)
            tasks = listing.page_tasks(store, scope, "", which.cluster_name, PAGE)
            assert (machines.total, len(machines.rows)) == (expected, expected)
            assert (tasks.total, len(tasks.rows)) == (expected, expected)
            assert {row.instance_id[2] for row in machines.rows} == set(keys)
            assert listing.count_running(store, scope, "", which.cluster_name) == expected
            assert accounts.page(store, scope, "", PAGE).total == len(keys)


def test_sums_of_usage(store: Store) -> None:
    now = store.now()
    for keys, scope in SCOPES.items():
        days = [_day(now - 24 * HOUR), _day(now)]
        rows = [row for day in days for row in usage.page(store, scope, day, "", now, PAGE).rows]
        total = sum(usage.total(store, scope, day, "", now) for day in days)
        expected = sum(COUNTS[key] for key in keys)
        assert len({row.id for row in rows}) == expected
        assert {row.instance_id[2] for row in rows} == set(keys)
        assert total == sum(row.seconds for row in rows) >= 7200 * expected


def _day(moment: int) -> Day:
    return Day.of((datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=moment)).date(), ZoneInfo("UTC"))


def test_networks_of_one_id_are_told_apart_by_their_account(store: Store) -> None:
    for key in "ABC":
        scope = scope_of(key)
        assert networks.get_vpc(store, scope, "vpc-same").name == f"vpc of {key}"
        (row,) = networks.page_vpcs(store, scope, "", "", "", PAGE).rows
        assert (row.name, row.subnet_ids) == (f"vpc of {key}", ("subnet-same",))
        assert [row.name for row in networks.page_subnets(store, scope, "vpc-same", "", PAGE).rows] == [
            f"subnet of {key}"
        ]
        groups = networks.page_groups(store, scope, "vpc-same", "", "", PAGE).rows
        assert [row.name for row in groups] == [f"group of {key}"]
        account = accounts.by_key(store, scope, "AWSCloud", key)
        names = networks.names_of(store, scope, account.id, "vpc-same", "subnet-same", "sg-same")
        assert names == (f"vpc of {key}", f"subnet of {key}", f"group of {key}")
    with pytest.raises(NotFound):
        networks.get_vpc(store, NOBODY, "vpc-same")
    assert networks.page_vpcs(store, EVERYTHING, "", "", "", PAGE).total == 3


def test_an_account_registered_anew_shows_nothing_of_the_old_one(store: Store) -> None:
    scope = scope_of("B")
    assert listing.page_machines(store, scope, MachineFilter(), PAGE).total == 2
    with store.transaction():
        AccountRow.delete().where(AccountRow.access_key == "B").execute()
    assert listing.page_machines(store, scope, MachineFilter(), PAGE).total == 0
    registered(store, "B")
    assert listing.page_machines(store, scope, MachineFilter(), PAGE).total == 0
    assert listing.page_tasks(store, scope, "", "", PAGE).total == 0


def test_an_account_of_the_same_key_on_another_cloud_is_another(store: Store) -> None:
    elsewhere = Scope.of([AccountName("HuaweiCloud", "A")])
    assert listing.page_machines(store, elsewhere, MachineFilter(), PAGE).total == 0
    with pytest.raises(NotFound):
        accounts.by_key(store, elsewhere, "AWSCloud", "A")
    with pytest.raises(NotFound):
        accounts.any_of(store, elsewhere, "AWSCloud")
    assert clusters.page(store, elsewhere, "", PAGE).total == 0


def test_a_name_that_is_free_again_is_told_to_whoever_has_it(store: Store) -> None:
    for key in "AB":  # one after the other
        clusters.add(store, KEYRING, _template(store, key), "test")
        assert clusters.describe(store, scope_of(key), "web").template.account_key == key
        if key == "A":
            with store.transaction():
                clusters.bury(clusters.locked(store, EVERYTHING, "web"), store.now(), "test")
    for scope in (scope_of("A"), scope_of("C"), NOBODY):
        with pytest.raises(NotFound):
            clusters.describe(store, scope, "web")
        with pytest.raises(NotFound), store.transaction():
            clusters.locked(store, scope, "web")

    def account_told(scope: Scope) -> str:
        return audit.located(store, scope, {"cluster_name": "web"}, Resource("cluster", "web")).account_key

    assert account_told(EVERYTHING) == account_told(scope_of("B")) == account_told(scope_of("A", "B")) == "B"
    assert account_told(scope_of("A")) == "A"  # of its own that is gone; whose the name is now it does not see
    assert account_told(scope_of("C")) == account_told(NOBODY) == ""


def _template(store: Store, key: str) -> ClusterTemplate:
    return ClusterTemplate(
        name="web",
        provider="AWSCloud",
        account_id=accounts.by_key(store, EVERYTHING, "AWSCloud", key).id,
        account_key=key,
        region_id="us-east-1",
        image_id="ami-1",
        vpc_id="vpc-same",
        security_group_id="sg-same",
        internet_charge_type="PayByTraffic",
        bandwidth_mbps=0,
        charge=Charge(),
        system_disk=Disk("gp3", 40),
        data_disks=(),
        tags={},
        placements=(Placement(0, "us-east-1a", "subnet-same", "m5.large"),),
        password="secret-word",
    )
