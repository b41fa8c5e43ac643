"""Machines deleted, and unsubscribed from where they are paid for in advance."""

from __future__ import annotations

from collections.abc import Sequence

from huaweicloudsdkbss import v2 as bss
from huaweicloudsdkecs import v2 as ecs

from bridgx_server.providers.base import DeletedMachines
from bridgx_server.providers.deletion import Deletion, not_released
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.providers.huawei.errors import PROVIDER
from bridgx_server.providers.huawei.machines import Machines, is_prepaid

# "Unsubscribing from Yearly/Monthly Resources" of the BSS API reference: main resources a call, everything that was
# ordered and not the renewals alone, for a reason of one's own.
UNSUBSCRIBE = 10
WHOLLY = 1
OTHER_REASON = 5

ONLY_POSTPAID = "Ecs.0513"
LOCKED = frozenset({"Ecs.0605", "CBC.3002"})
DENIED = "CBC.0151"
OTHER_SITES = frozenset({"CBC.0150", "CBC.0156"})  # the account is not one of this billing centre's


class Deletions(Machines):
    """The part of a Provider that deletes machines."""

    def delete_machines(
        self, region_id: str, instance_ids: Sequence[str], *, release_prepaid: bool = False
    ) -> DeletedMachines:
        """Deletes postpaid machines. Huawei refuses a whole call in which one is prepaid, so those are told apart then.

        Prepaid ones are unsubscribed from on demand, by an order that is carried out a while later; which of them have
        expired its list does not say.
        """
        with Deletion(PROVIDER, {*LOCKED, DENIED, *OTHER_SITES}, {DENIED, *OTHER_SITES}) as deletion:
            self._delete_all(deletion, region_id, list(dict.fromkeys(instance_ids)), release=release_prepaid)
        return deletion.result()

    def _delete_all(self, deletion: Deletion, region_id: str, ids: list[str], *, release: bool) -> None:
        if not ids:
            return
        refusal = deletion.at_once(ids, lambda part: self._delete(region_id, part))
        if refusal is None:
            return
        rows = {str(row["id"]): row for row in self._existing(region_id, ids)}
        prepaid = [instance_id for instance_id, row in rows.items() if is_prepaid(row)]
        locked = [instance_id for instance_id, row in rows.items() if row.get("locked") and not is_prepaid(row)]
        postpaid = [instance_id for instance_id in rows if instance_id not in {*prepaid, *locked}]
        absent = [instance_id for instance_id in ids if instance_id not in rows]
        if ids in (postpaid, locked, absent) and len(ids) == 1:
            deletion.settle(ids, refusal)  # it has been asked for by itself just now
            return
        deletion.each_for_itself(postpaid, lambda part: self._delete(region_id, part))
        for alike in (locked, absent):
            deletion.alike(alike, lambda part: self._delete(region_id, part))
        if release:
            deletion.each_for_itself(prepaid, lambda part: self._unsubscribe(deletion, part), batch=UNSUBSCRIBE)
        else:
            told = refusal if refusal.vendor_code == ONLY_POSTPAID else None
            deletion.settle(prepaid, not_released(PROVIDER, "delete_servers", refusal=told))

    def _delete(self, region_id: str, instance_ids: list[str]) -> None:
        body = ecs.DeleteServersRequestBody(
            servers=[ecs.ServerId(id=instance_id) for instance_id in instance_ids],
            delete_publicip=True,
            delete_volume=True,
        )
        self._calls.ecs(region_id, "delete_servers", ecs.DeleteServersRequest(body=body))

    def _unsubscribe(self, deletion: Deletion, instance_ids: list[str]) -> None:
        """Orders it. Asked for once more while the order is carried out, the answer is a CONFLICT."""
        operation = "cancel_resources_subscription"
        body = bss.UnsubscribeResourcesReq(
            resource_ids=instance_ids, unsubscribe_type=WHOLLY, unsubscribe_reason_type=OTHER_REASON
        )
        try:
            answer = self._calls.bss(operation, bss.CancelResourcesSubscriptionRequest(body=body))
        except ProviderError as error:
            if error.vendor_code != DENIED:
                raise
            error.message = f"unsubscribing needs billing:subscription:unsubscribe: {error.message}"
            raise
        # The reference calls this list reserved; where it is filled, those that it names were not unsubscribed from.
        for failed in answer.get("fail_resource_infos") or ():
            reason = str(failed.get("error_msg") or "Huawei did not unsubscribe from it, and does not say why")
            refusal = ProviderError(
                ErrorClass.NOT_RELEASABLE,
                reason,
                provider=PROVIDER,
                operation=operation,
                vendor_code=str(failed.get("error_code") or ""),
            )
            deletion.settle([str(failed.get("resource_id"))], refusal)
