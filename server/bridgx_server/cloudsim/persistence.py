"""The simulator's memory on disk: every change is written before the call that made it is answered."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class Journal:
    """Entities as JSON in an SQLite file. One thread uses it."""

    def __init__(self, data_dir: Path) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(data_dir / "cloudsim.db", check_same_thread=False, isolation_level=None)
        # A killed process loses nothing that was committed; only a power cut could, and a simulator may.
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS entities"
            " (cloud TEXT, kind TEXT, id TEXT, body TEXT, PRIMARY KEY (cloud, kind, id)) WITHOUT ROWID"
        )
        self._pending: list[tuple[str, str, str, str | None]] = []

    def load(self, cloud: str, kind: str) -> Iterable[dict[str, Any]]:
        """All entities of a kind."""
        rows = self._db.execute("SELECT body FROM entities WHERE cloud = ? AND kind = ?", (cloud, kind))
        return [json.loads(row[0]) for row in rows]

    def put(self, cloud: str, kind: str, key: str, body: Any) -> None:
        """Notes a change; :meth:`commit` writes it."""
        self._pending.append((cloud, kind, key, json.dumps(body, separators=(",", ":"))))

    def drop(self, cloud: str, kind: str, key: str) -> None:
        """Notes that an entity is no more."""
        self._pending.append((cloud, kind, key, None))

    def commit(self) -> None:
        """Writes all that was noted, in one transaction."""
        if not self._pending:
            return
        self._db.execute("BEGIN")
        self._db.executemany(
            "INSERT OR REPLACE INTO entities VALUES (?, ?, ?, ?)", [row for row in self._pending if row[3] is not None]
        )
        self._db.executemany(
            "DELETE FROM entities WHERE cloud = ? AND kind = ? AND id = ?",
            [row[:3] for row in self._pending if row[3] is None],
        )
        self._db.execute("COMMIT")
        self._pending.clear()

    def clear(self) -> None:
        """Forgets everything."""
        self._pending.clear()
        self._db.execute("DELETE FROM entities")

    def close(self) -> None:
        """Writes what is noted and closes the file."""
        self.commit()
        self._db.close()
