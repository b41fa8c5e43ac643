"""`bridgx keys rotate` on every database: everything under the newest key, nothing lost, whatever happens beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from bridgx_server.providers.base import Charge, Credentials, Disk
from bridgx_server.store import accounts, audit, clusters, rotation
from bridgx_server.store.accounts import AccountChange
from bridgx_server.store.audit import AuditFilter, Record
from bridgx_server.store.chunks import Placement
from bridgx_server.store.clusters import ClusterTemplate
from bridgx_server.store.database import Store
from bridgx_server.store.keys import KeyFile, add_to_file
from bridgx_server.store.migrations import migrate
from bridgx_server.store.models import AccountRow
from bridgx_server.store.paging import PageOf
from bridgx_server.store.rotation import Rotation
from bridgx_server.store.scope import EVERYTHING
from bridgx_server.store.secrets import Keyring, SecretUnreadable

ACCOUNTS = 60


@dataclass
class House:
    """A database with accounts and clusters that were sealed with the key `spring`."""

    url: str
    store: Store
    key_file: Path

    @property
    def keyring(self) -> Keyring:
        return Keyring(KeyFile(self.key_file))

    def bridgx(self, *arguments: str, expected: int = 0) -> subprocess.CompletedProcess[str]:
        environment = {"BRIDGX_DATABASE_URL": self.url, "BRIDGX_SECRET_KEY_FILE": str(self.key_file)}
        run = subprocess.run(
            [sys.executable, "-m", "bridgx_server", "keys", *arguments],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert run.returncode == expected, run.stderr
        return run

    def add_key(self, name: str) -> None:
        add_to_file(self.key_file, f"{name}:{os.urandom(32).hex()}")

    def forget_key(self, name: str) -> None:
        lines = [line for line in self.key_file.read_text().splitlines() if not line.startswith(f"{name}:")]
        self.key_file.write_text("\n".join(lines) + "\n")

    def secrets(self) -> dict[str, str]:
        """What every account's secret is, opened with the keys of the file alone."""
        ring = self.keyring
        return {
            row.access_key: accounts.credentials_of(self.store, ring, row.id).secret
            for row in accounts.every(self.store)
        }

    def password(self) -> str:
        return clusters.get(self.store, self.keyring, 1).password


def a_secret(number: int) -> str:
    return f"secret of account {number}"


def a_template(account_id: int) -> ClusterTemplate:
    return ClusterTemplate(
        name="web",
        provider="AWSCloud",
        account_id=account_id,
        account_key="AK0",
        region_id="us-east-1",
        image_id="ami-1",
        vpc_id="vpc-1",
        security_group_id="sg-1",
        internet_charge_type="PayByTraffic",
        bandwidth_mbps=0,
        charge=Charge(),
        system_disk=Disk("cloud_ssd", 40),
        data_disks=(),
        tags={},
        placements=(Placement(0, zone_id="us-east-1a", subnet_id="subnet-1", instance_type="m5.large"),),
        password="Sesame4Tests!",
    )


@pytest.fixture
def house(database_url: str, tmp_path: Path) -> Iterator[House]:
    store = Store(database_url)
    migrate(store)
    house = House(database_url, store, tmp_path / "keys")
    house.add_key("spring")
    ring = house.keyring
    for number in range(ACCOUNTS):
        credentials = Credentials("AWSCloud", f"AK{number}", a_secret(number))
        account = accounts.register(store, ring, credentials, name="n", caller="test")
    clusters.add(store, ring, a_template(account.id), "test")
    yield house
    store.close()


def test_everything_is_sealed_anew_and_the_old_key_may_go(house: House) -> None:
    house.add_key("autumn")
    before = house.secrets()
    dry = house.bridgx("rotate", "--dry-run")
    assert f"{ACCOUNTS + 1} secrets to seal under autumn, 0 are; 0 cannot be opened" in dry.stdout
    assert ["autumn", "0"] in [line.split()[:2] for line in house.bridgx("list").stdout.splitlines()]
    run = house.bridgx("rotate", "--batch", "7")
    assert f"{ACCOUNTS + 1} secrets sealed under autumn, 0 were; 0 cannot be opened" in run.stdout
    again = house.bridgx("rotate")
    assert f"0 secrets sealed under autumn, {ACCOUNTS + 1} were" in again.stdout
    assert [line.split()[:2] for line in house.bridgx("list").stdout.splitlines()] == [
        ["autumn", str(ACCOUNTS + 1)],
        ["spring", "0"],
    ]
    house.forget_key("spring")
    assert house.secrets() == before
    assert house.password() == "Sesame4Tests!"


def test_a_rotation_is_told_in_its_own_transactions(house: House) -> None:
    def told() -> list[Record]:
        which = AuditFilter(operation="keys rotate")
        page = audit.page(house.store, EVERYTHING, which, PageOf.asked(1, 50), about_no_account=True)
        return list(page.rows)

    house.add_key("autumn")
    house.bridgx("rotate", "--dry-run")
    assert told() == []
    _rename(house.store, "audit", "elsewhere")
    house.bridgx("rotate", expected=1)
    _rename(house.store, "elsewhere", "audit")
    assert rotation.counts(house.store) == {"spring": ACCOUNTS + 1}  # what cannot be told does not happen
    house.bridgx("rotate", "--batch", "40")
    rows = told()
    assert {(row.actor_kind, row.resource_kind, row.resource, row.outcome) for row in rows} == {
        ("command line", "key", "autumn", "success")
    }
    assert all(row.address for row in rows)
    assert [json.loads(row.detail_json) for row in reversed(rows)] == [
        {"from": "spring", "of": "accounts", "secrets": 40},
        {"from": "spring", "of": "accounts", "secrets": ACCOUNTS - 40},
        {"from": "spring", "of": "clusters", "secrets": 1},
    ]
    house.bridgx("rotate")
    assert told() == rows


def _rename(store: Store, table: str, name: str) -> None:
    with store.connection():
        store.database.execute_sql(f"ALTER TABLE {table} RENAME TO {name}")


def test_what_no_key_opens_is_named_and_left(house: House) -> None:
    with house.store.transaction():
        copied = AccountRow.get(AccountRow.access_key == "AK3").secret
        AccountRow.update(secret=copied).where(AccountRow.access_key == "AK4").execute()
        AccountRow.update(secret="in the clear").where(AccountRow.access_key == "AK5").execute()
    house.add_key("autumn")
    run = house.bridgx("rotate", expected=1)
    assert f"{ACCOUNTS - 1} secrets sealed under autumn, 0 were; 2 cannot be opened" in run.stdout
    left = [line for line in run.stderr.splitlines() if line.startswith("left as it is")]
    assert len(left) == 2
    assert "account/AWSCloud/AK4 was changed or belongs to another row" in left[0]
    assert "account/AWSCloud/AK5" in left[1]
    assert "in the clear" not in run.stdout + run.stderr
    with house.store.connection():
        assert AccountRow.get(AccountRow.access_key == "AK4").secret == copied
        assert AccountRow.get(AccountRow.access_key == "AK5").secret == "in the clear"


def test_a_key_that_is_gone_is_named(house: House) -> None:
    house.add_key("autumn")
    house.forget_key("spring")
    assert "not among the keys here" in house.bridgx("list").stdout
    run = house.bridgx("rotate", "--dry-run", expected=1)
    assert "was sealed with key spring, which is not among autumn" in run.stderr


def test_a_rotation_that_was_cut_off_goes_on(house: House) -> None:
    house.add_key("autumn")

    class CutOffError(Exception):
        pass

    def cut(so_far: Rotation) -> None:
        if so_far.resealed >= 20:
            raise CutOffError

    with pytest.raises(CutOffError):
        rotation.rotate(house.store, house.keyring, batch=10, progress=cut)
    rest = rotation.rotate(house.store, house.keyring, batch=10)
    assert (rest.resealed, rest.current) == (ACCOUNTS + 1 - 20, 20)
    house.forget_key("spring")
    assert house.secrets() == {f"AK{number}": a_secret(number) for number in range(ACCOUNTS)}


def test_secrets_that_change_meanwhile_stay_as_they_were_changed(house: House) -> None:
    house.add_key("autumn")
    old_ring = house.keyring
    before, after = threading.Event(), threading.Event()

    def change(so_far: Rotation) -> None:
        # Between two batches: rows of the next one, and one that is done.
        if not before.is_set():
            before.set()
            for number in (0, 15, 16):
                wanted = AccountChange(credentials=Credentials("AWSCloud", f"AK{number}", f"changed {number}"))
                accounts.change(house.store, EVERYTHING, old_ring, "AWSCloud", f"AK{number}", wanted)
            accounts.remove(house.store, EVERYTHING, "AWSCloud", "AK17")
            after.set()

    found = rotation.rotate(house.store, house.keyring, batch=10, progress=change)
    assert after.is_set()
    assert not found.unreadable
    house.forget_key("spring")
    expected = {f"AK{number}": a_secret(number) for number in range(ACCOUNTS) if number != 17}
    assert house.secrets() == {**expected, **{f"AK{number}": f"changed {number}" for number in (0, 15, 16)}}


def test_a_write_between_reading_and_writing_is_not_overwritten(house: House) -> None:
    """The row is changed after the rotation has read it and before it writes: by a key ring that does so while it seals."""
    house.add_key("autumn")
    store = house.store

    class Interfering(Keyring):
        done = False

        def seal(self, secret: str, row: str) -> str:
            if row.endswith("/AK5") and not self.done:
                self.done = True
                wanted = AccountChange(credentials=Credentials("AWSCloud", "AK5", "changed under way"))
                accounts.change(store, EVERYTHING, house.keyring, "AWSCloud", "AK5", wanted)
            return super().seal(secret, row)

    ring = Interfering(KeyFile(house.key_file))
    found = rotation.rotate(store, ring, batch=10)
    assert ring.done
    assert (found.resealed, found.current, found.unreadable) == (ACCOUNTS, 1, [])
    assert house.secrets()["AK5"] == "changed under way"


def test_rotations_side_by_side_do_the_work_once(house: House) -> None:
    house.add_key("autumn")
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda _: rotation.rotate(house.store, house.keyring, batch=5), range(4)))
    assert sum(run.resealed for run in runs) == ACCOUNTS + 1
    house.forget_key("spring")
    assert house.secrets() == {f"AK{number}": a_secret(number) for number in range(ACCOUNTS)}


def test_running_processes_follow_and_seal_under_the_new_key(house: House) -> None:
    running = house.keyring  # read once, as a server does
    house.add_key("autumn")
    assert rotation.rotate(house.store, house.keyring).resealed == ACCOUNTS + 1
    assert accounts.credentials_of(house.store, running, 1).secret == a_secret(0)
    accounts.register(house.store, running, Credentials("AWSCloud", "new", "n" * 20), name="n", caller="test")
    assert rotation.counts(house.store) == {"autumn": ACCOUNTS + 2}
    house.forget_key("autumn")
    with pytest.raises(SecretUnreadable):
        house.secrets()
