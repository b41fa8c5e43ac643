"""Machines deleted, and given back where they are paid for in advance."""

from __future__ import annotations

from collections.abc import Sequence

from bridgx_server.providers.baidu import words
from bridgx_server.providers.baidu.errors import PROVIDER
from bridgx_server.providers.baidu.machines import PREPAID, Machines
from bridgx_server.providers.base import DeletedMachines
from bridgx_server.providers.deletion import Deletion, not_released
from bridgx_server.providers.errors import ErrorClass

REFUND = 20  # ids: "Batch Unsubscribe Prepaid Instances" of the BCC API reference
DELETE = "batch_delete_instance_with_related_resource"
GIVE_BACK = "batch_refund_resources"
ONLY_POSTPAID = "Instance.DeleteServerFailException"
PROTECTED = "Instance.DeletionProtection"
EXPIRED = "Expired"  # a status
NO_MORE_REFUNDS = "InsufficientCreditException"

# Both flags are required by the API, though optional in the SDK. The first takes data disks and addresses along, the third
# the network cards that were added, which would be left over and billed.
ALONG = {"related_release_flag": True, "delete_cds_snapshot_flag": True, "delete_related_enis_flag": True}
# Not into the recycle bin, where a machine is kept and paid for. With this flag the SDK sends another, which it leaves null;
# false is that all disks go, and not only those that were marked for it.
AT_ONCE = {"bcc_recycle_flag": False, "cds_attribute_active": False}


class Deletions(Machines):
    """The part of a Provider that deletes machines."""

    def delete_machines(
        self, region_id: str, instance_ids: Sequence[str], *, release_prepaid: bool = False
    ) -> DeletedMachines:
        """Deletes postpaid and expired machines; unexpired ones are refunded on demand.

        Baidu refuses a whole call in which one is prepaid, so those are told apart then.
        """
        with Deletion(PROVIDER, {PROTECTED}, {NO_MORE_REFUNDS}) as deletion:
            self._delete_all(deletion, region_id, list(dict.fromkeys(instance_ids)), release=release_prepaid)
        return deletion.result()

    def _delete_all(self, deletion: Deletion, region_id: str, ids: list[str], *, release: bool) -> None:
        if not ids:
            return
        refusal = deletion.at_once(ids, lambda part: self._delete(region_id, part))
        if refusal is None:
            return
        rows = {str(row["id"]): row for row in self._rows(region_id, ids)}
        prepaid = [instance_id for instance_id, row in rows.items() if row.get("paymentTiming") == PREPAID]
        postpaid = [instance_id for instance_id in rows if instance_id not in set(prepaid)]
        absent = [instance_id for instance_id in ids if instance_id not in rows]
        if ids in (postpaid, absent) and len(ids) == 1:
            deletion.settle(ids, refusal)  # it has been asked for by itself just now
            return
        deletion.each_for_itself(postpaid, lambda part: self._delete(region_id, part))
        deletion.alike(absent, lambda part: self._delete(region_id, part))
        expired = [instance_id for instance_id in prepaid if rows[instance_id].get("status") == EXPIRED]
        unexpired = [instance_id for instance_id in prepaid if instance_id not in set(expired)]
        # The batch is for postpaid ones alone, and expired ones are not refunded: they go one by one.
        deletion.each_for_itself(expired, lambda part: self._release(region_id, part[0]), batch=1)
        if release:
            deletion.each_for_itself(unexpired, lambda part: self._give_back(deletion, region_id, part), batch=REFUND)
            return
        told = refusal if refusal.vendor_code == ONLY_POSTPAID else None
        for instance_id in unexpired:
            expires = words.moment(rows[instance_id].get("expireTime"))
            deletion.settle([instance_id], not_released(PROVIDER, DELETE, expires, told))

    def _delete(self, region_id: str, instance_ids: list[str]) -> None:
        self._calls.bcc(region_id, DELETE, instance_ids, **ALONG, **AT_ONCE)

    def _release(self, region_id: str, instance_id: str) -> None:
        self._calls.bcc(region_id, "release_instance_with_related_resources", instance_id, **ALONG, **AT_ONCE)

    def _give_back(self, deletion: Deletion, region_id: str, instance_ids: list[str]) -> None:
        answer = self._calls.bcc(region_id, GIVE_BACK, instance_ids, **ALONG)
        # A success that names those which failed, without a reason.
        for instance_id in answer.get("failedInstanceIds") or ():
            deletion.refuse(
                str(instance_id), ErrorClass.CONFLICT, "Baidu did not take it back, and does not say why", GIVE_BACK
            )
