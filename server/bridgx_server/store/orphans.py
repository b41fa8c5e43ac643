"""Machines that carry our tags at a cloud though nothing here knows why."""

from __future__ import annotations

from collections.abc import Sequence

from bridgx_server.store.models import OrphanRow


def report(account_id: int, region_id: str, instance_id: str, *, state: str, tags_json: str, now: int) -> None:
    """Writes an orphan down, or that it is still there, inside the caller's transaction."""
    where = (
        (OrphanRow.account_id == account_id)
        & (OrphanRow.region_id == region_id)
        & (OrphanRow.instance_id == instance_id)
    )
    if not OrphanRow.update(state=state, tags_json=tags_json, seen_at=now).where(where).execute():
        OrphanRow.create(
            account_id=account_id,
            region_id=region_id,
            instance_id=instance_id,
            state=state,
            tags_json=tags_json,
            seen_at=now,
        )


def forget(account_id: int, region_id: str, *, keep: Sequence[str]) -> None:
    """Drops those that are no more, inside the caller's transaction."""
    where = (OrphanRow.account_id == account_id) & (OrphanRow.region_id == region_id)
    if keep:
        where &= OrphanRow.instance_id.not_in(list(keep))
    OrphanRow.delete().where(where).execute()
