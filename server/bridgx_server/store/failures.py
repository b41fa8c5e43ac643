"""What is wrong with a database that cannot do its work."""

from __future__ import annotations

from peewee import InterfaceError, InternalError, OperationalError

DATABASE_FAILURES = (OperationalError, InterfaceError)

# SQLite's SQLITE_FULL (https://www.sqlite.org/rescode.html#full): the disk, or the limit of pages.
_SQLITE = 13
# PostgreSQL's disk_full (https://www.postgresql.org/docs/current/errcodes-appendix.html).
_POSTGRESQL = "53100"
# MariaDB (https://mariadb.com/docs/server/reference/error-codes/mariadb-error-code-reference): ER_DISK_FULL,
# ER_RECORD_FILE_FULL, ER_TEMP_FILE_WRITE_FAILURE.
_MYSQL = (1021, 1114, 1878)


def is_full(error: Exception) -> bool:
    """Whether a statement failed since there is no room for what it would have written, or what came after one did."""
    if not isinstance(error, (OperationalError, InterfaceError, InternalError)):
        return False
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        if getattr(link, "sqlite_errorcode", None) == _SQLITE or getattr(link, "sqlstate", None) == _POSTGRESQL:
            return True
        if isinstance(link, OperationalError) and link.args and link.args[0] in _MYSQL:
            return True
        link = link.__cause__ or link.__context__
    return False
