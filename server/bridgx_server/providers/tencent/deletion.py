"""Machines deleted, and given back where they are paid for in advance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, auto
from typing import Any

from bridgx_server.providers.base import DeletedMachines
from bridgx_server.providers.deletion import Deletion, Send, not_released
from bridgx_server.providers.errors import ProviderError
from bridgx_server.providers.tencent import words
from bridgx_server.providers.tencent.errors import PROVIDER
from bridgx_server.providers.tencent.machines import PREPAID, Machines

TERMINATE = "TerminateInstances"
NOT_DELETABLE = "UnsupportedOperation.InstanceStateLaunchFailed"
# Of a machine, and not of the caller's rights: the protection that its owner has switched on, a system under a licence of
# its own, a machine of somebody else's.
OF_MACHINES = frozenset(
    {
        "UnsupportedOperation.InstancesProtected",
        "UnsupportedOperation.InvalidInstanceNotSupportedProtectedInstance",
        "UnsupportedOperation.RedHatInstanceTerminateUnsupported",
        "UnsupportedOperation.InvalidInstancesOwner",
    }
)
NO_MORE_REFUNDS = "LimitExceeded.UserReturnQuota"


class Deletions(Machines):
    """The part of a Provider that deletes machines."""

    def delete_machines(
        self, region_id: str, instance_ids: Sequence[str], *, release_prepaid: bool = False
    ) -> DeletedMachines:
        """Deletes machines, each kind in a call of its own: all ids of one must have the same charge type.

        TerminateInstances gives an unexpired prepaid machine back without asking, by whatever its refund then is. So
        machines are looked up first, and such a one is not named in any call unless that is wanted. Prepaid machines go to
        the recycle bin at first, where they cost nothing; a second call deletes them from there, expired or not. Machines
        that could not be made are not deletable: the cloud takes them back by itself. Those that the list does not show are
        unknown.
        """
        with Deletion(PROVIDER, OF_MACHINES, {NO_MORE_REFUNDS}) as deletion:
            self._delete(deletion, region_id, list(dict.fromkeys(instance_ids)), release=release_prepaid)
        return deletion.result()

    def _delete(self, deletion: Deletion, region_id: str, ids: list[str], *, release: bool) -> None:
        shown = {row["InstanceId"]: row for row in self._rows(region_id, ids)}
        # Not named in a call either: one that is shown a moment later may be prepaid.
        deletion.unknown.update(key for key in ids if key not in shown)
        groups = _sorted(shown.values())
        if not release:
            for kind in (Kind.PREPAID, Kind.PREPAID_PENDING):
                for row in [row for row in groups[kind] if not _expired(row)]:
                    expires = words.moment(row.get("ExpiredTime"))
                    deletion.settle([row["InstanceId"]], not_released(PROVIDER, TERMINATE, expires))
                    groups[kind].remove(row)
        terminate = self._terminating(region_id)
        give_back = self._terminating(region_id, ReleasePrepaidDataDisks=True)
        deletion.each_for_itself(_ids(groups[Kind.POSTPAID]), terminate)
        recycled = deletion.each_for_itself(_ids(groups[Kind.PREPAID]), give_back)
        deletion.each_for_itself(_ids(groups[Kind.IN_BIN]), give_back)
        deletion.each_for_itself(recycled, give_back, soft=True)
        deletion.alike(_ids(groups[Kind.PREPAID_PENDING]), give_back)
        deletion.alike(_ids(groups[Kind.PENDING]), terminate)
        deletion.alike(_ids(groups[Kind.PROTECTED]), terminate)
        deletion.alike(_ids(groups[Kind.FAILED]), _unless(NOT_DELETABLE, terminate))

    def _terminating(self, region_id: str, **parameters: Any) -> Send:
        return lambda ids: self._calls.cvm(region_id, TERMINATE, InstanceIds=ids, **parameters)


class Kind(Enum):
    """What the list says of a machine that is to be deleted; the kinds go in calls of their own."""

    POSTPAID = auto()
    PREPAID = auto()
    PREPAID_PENDING = auto()  # not deletable yet
    IN_BIN = auto()  # given back already, by us or by its owner, or expired
    PENDING = auto()  # postpaid, not deletable yet
    PROTECTED = auto()  # postpaid, and protected by its owner against calls like ours
    FAILED = auto()  # postpaid, could not be made
    GOING = auto()  # is being deleted, or taken back


def _kind(row: Mapping[str, Any]) -> Kind:
    state = row.get("InstanceState")
    if state == "TERMINATING":
        return Kind.GOING
    if row.get("InstanceChargeType") == PREPAID:
        return _PREPAID.get(str(state), Kind.PREPAID)
    if state in ("LAUNCH_FAILED", "PENDING"):
        return Kind.FAILED if state == "LAUNCH_FAILED" else Kind.PENDING
    return Kind.PROTECTED if row.get("DisableApiTermination") else Kind.POSTPAID


_PREPAID = {"LAUNCH_FAILED": Kind.GOING, "SHUTDOWN": Kind.IN_BIN, "PENDING": Kind.PREPAID_PENDING}


def _sorted(rows: Iterable[Mapping[str, Any]]) -> dict[Kind, list[Mapping[str, Any]]]:
    groups: dict[Kind, list[Mapping[str, Any]]] = {kind: [] for kind in Kind}
    for row in rows:
        groups[_kind(row)].append(row)
    return groups


def _unless(code: str, send: Send) -> Send:
    """The same call, in which a refusal with this code is success."""

    def sent(ids: list[str]) -> None:
        try:
            send(ids)
        except ProviderError as error:
            if error.vendor_code != code:
                raise

    return sent


def _expired(row: Mapping[str, Any]) -> bool:
    """In Tencent's own words: whether its clock or ours is right is not asked where money hangs on it."""
    return row.get("RestrictState") == "EXPIRED" or row.get("IsolatedSource") == "EXPIRE"


def _ids(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    return [str(row["InstanceId"]) for row in rows]
