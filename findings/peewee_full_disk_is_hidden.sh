#!/usr/bin/env bash
# A database file that may not grow, and an INSERT inside Peewee's atomic().
#
# Software: Peewee 4.5.3 on Python 3.11 with the sqlite3 module that comes with it.
# Expected: peewee.OperationalError "database or disk is full", which is what SQLite says.
# Seen: peewee.OperationalError "cannot rollback - no transaction is active". SQLite has ended the transaction by itself, as its documents
# say it may do at SQLITE_FULL; Peewee's rollback fails then, and its error takes the place of the first, which is left as __context__.
# A program that looks at the text, to tell a full disk from a broken connection, has to look along the chain.
# Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet peewee==4.5.3
cat > "$folder/full.py" <<'PY'
import sys
from pathlib import Path

import peewee

database = peewee.SqliteDatabase(Path(sys.argv[1]) / "full.db", pragmas={"journal_mode": "wal"})


class Row(peewee.Model):
    text = peewee.TextField()

    class Meta:
        database = database


database.create_tables([Row])
pages = database.execute_sql("PRAGMA page_count").fetchone()[0]
database.execute_sql(f"PRAGMA max_page_count = {pages}")
try:
    with database.atomic():
        for _ in range(1000):
            Row.create(text="x" * 1000)
except peewee.OperationalError as error:
    chain, link = [], error
    while link is not None:
        chain.append(f"{type(link).__module__}.{type(link).__name__}: {link}")
        link = link.__cause__ or link.__context__
    print(peewee.__version__, *chain, sep="\n  ")
    assert "cannot rollback" in str(error), "the error that is raised is another one now"
    assert any("full" in text for text in chain), "the first error is not in the chain"
else:
    raise AssertionError("the database took more than it may hold")
PY
"$folder/venv/bin/python" "$folder/full.py" "$folder"
