"""Seals every secret anew under the newest key, while servers run.

A row is read, opened, sealed, and written only if it still holds what was read: a secret that is changed meanwhile stays
as it was changed. So a rotation may be cut off, repeated, and run side by side with another. Each of its transactions tells the
audit itself what it has sealed anew: a row at the end would be missing after a run that was cut off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridgx_server.store import accounts, audit, clusters
from bridgx_server.store.audit import Resource
from bridgx_server.store.database import Store
from bridgx_server.store.secrets import Keyring, SealedColumn, SecretUnreadable, sealed_with

BATCH = 200  # rows that are read, and then written, in one transaction

# Every column that holds sealed texts, by the module that owns it.
SEALED = (accounts.SEALED, clusters.SEALED)


@dataclass
class Rotation:
    """What a run found and did. ``stale`` rows were sealed with older keys and open; ``resealed`` are those done."""

    current: int = 0
    stale: int = 0
    resealed: int = 0
    unreadable: list[str] = field(default_factory=list)


def counts(store: Store) -> Mapping[str, int]:
    """Key id → how many secrets are sealed with it; under the empty id those that are no sealed texts."""
    found: Counter[str] = Counter()
    for column in SEALED:
        for batch in _batches(store, column, BATCH):
            found.update(sealed_with(row.sealed) for row in batch)
    return found


def check(store: Store, keyring: Keyring, *, batch: int = BATCH) -> Rotation:
    """Opens everything and changes nothing: what :func:`rotate` would find."""
    found = Rotation()
    for column in SEALED:
        for rows in _batches(store, column, batch):
            for row in rows:
                _open(keyring, row, found)
    return found


def rotate(
    store: Store, keyring: Keyring, *, batch: int = BATCH, progress: Callable[[Rotation], None] = lambda _: None
) -> Rotation:
    """Seals anew what an older key sealed; ``progress`` is told after every batch. What does not open is left as it is."""
    found = Rotation()
    for column in SEALED:
        for rows in _batches(store, column, batch):
            _reseal(store, keyring, column, rows, found)
            progress(found)
    return found


@dataclass(frozen=True)
class _Row:
    id: int
    name: str
    sealed: str = field(repr=False)


def _reseal(store: Store, keyring: Keyring, column: SealedColumn, rows: Sequence[_Row], found: Rotation) -> None:
    while rows:
        opened = [(row, _open(keyring, row, found)) for row in rows]
        sealed = {row: keyring.seal(secret, row.name) for row, secret in opened if secret is not None}
        changed = []
        exchanged: Counter[tuple[str, str]] = Counter()
        with store.transaction():
            for row, text in sealed.items():
                unchanged = (column.table.id == row.id) & (column.column == row.sealed)
                if column.table.update({column.column: text}).where(unchanged).execute():
                    found.resealed += 1
                    exchanged[keyring.name_of(sealed_with(row.sealed)), sealed_with(text)] += 1
                else:
                    found.stale -= 1
                    changed.append(row.id)
            for (old, new), count in exchanged.items():
                detail = {"from": old, "secrets": count, "of": column.table._meta.table_name}
                audit.changed(store, Resource("key", new), detail=detail)
        # Changed by someone else meanwhile, or gone.
        rows = _read(store, column, column.table.id.in_(changed), len(changed)) if changed else []


def _open(keyring: Keyring, row: _Row, found: Rotation) -> str | None:
    """The secret of a row that is to be sealed anew."""
    try:
        secret = keyring.open(row.sealed, row.name)
    except SecretUnreadable as error:
        found.unreadable.append(str(error))
        return None
    if keyring.is_current(row.sealed):
        found.current += 1
        return None
    found.stale += 1
    return secret


def _batches(store: Store, column: SealedColumn, size: int) -> Iterator[Sequence[_Row]]:
    after = 0
    while rows := _read(store, column, column.table.id > after, size):
        yield rows
        after = rows[-1].id


def _read(store: Store, column: SealedColumn, where: Any, size: int) -> Sequence[_Row]:
    with store.connection():
        query = column.table.select().where(where).order_by(column.table.id).limit(size)
        return [_Row(row.id, column.name(row), getattr(row, column.column.name)) for row in query]
