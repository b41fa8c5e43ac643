"""Database servers of a test's own, from the binaries that the system has, so that they can be killed and started again."""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from bridgx_server.demo.ports import free_port
from bridgx_server.store.database import Store
from engine.conftest import wait_for

# Programs, where they are besides PATH, and who runs them where root may not.
POSTGRESQL = (("initdb", "postgres"), "/usr/lib/postgresql/*/bin", "postgres")
MARIADB = (("mariadb-install-db", "mariadbd"), "/usr/sbin", "mysql")
KINDS = {"postgresql": POSTGRESQL, "mariadb": MARIADB}
BERLIN = {"TZ": "Europe/Berlin"}  # a server whose local time has summer time


@dataclass
class DatabaseServer:
    """One server on loopback, with its data in a temporary folder."""

    kind: str
    directory: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    extra: Mapping[str, str] = field(default_factory=lambda: dict(BERLIN))

    @property
    def url(self) -> str:
        """The database that :meth:`start` made."""
        user = "postgres" if self.kind == "postgresql" else "root"
        name = "postgres" if self.kind == "postgresql" else "test"
        return f"{self.kind}://{user}@127.0.0.1:{self.port}/{name}"

    def prepare(self) -> None:
        """Makes an empty cluster of databases."""
        if self.kind == "postgresql":
            self._run(
                "initdb", "-D", f"{self.directory}/data", "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8"
            )
        else:
            self._run(
                "mariadb-install-db",
                "--no-defaults",
                f"--datadir={self.directory}/data",
                "--auth-root-authentication-method=normal",
            )

    def start(self) -> None:
        """Starts it, or starts it again, and returns when it answers."""
        if self.kind == "postgresql":
            command = ["postgres", "-D", f"{self.directory}/data", "-p", str(self.port)]
            options = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "max_connections=200")
            command += [part for option in options for part in ("-c", option)]
        else:
            command = [
                "mariadbd",
                "--no-defaults",
                f"--datadir={self.directory}/data",
                f"--port={self.port}",
                "--bind-address=127.0.0.1",
                f"--socket={self.directory}/socket",
                f"--pid-file={self.directory}/pid",
                "--max-connections=400",
                "--innodb-flush-log-at-trx-commit=2",
            ]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*_as_someone(self.kind), _program(self.kind, command[0]), *command[1:]],
                stdout=log,
                stderr=log,
                env={**os.environ, **self.extra},
            )
        wait_for(self._answers, 60, lambda: (self.directory / "log").read_text(errors="replace")[-2000:])

    def crash(self) -> None:
        """Ends it at once, in the middle of whatever it does; its children go with it."""
        if self.process is None:
            return
        # PostgreSQL's immediate shutdown: no checkpoint, no farewell. Killed itself, it would leave its children.
        self.process.send_signal(signal.SIGQUIT if self.kind == "postgresql" else signal.SIGKILL)
        self.process.wait()
        self.process = None

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.directory / "log").read_text(errors="replace")[-2000:]
        store = Store(self.url)
        with contextlib.suppress(Exception):
            store.ping()
            return True
        return False

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [*_as_someone(self.kind), _program(self.kind, program), *arguments],
            check=True,
            capture_output=True,
            cwd=self.directory,
        )


@contextlib.contextmanager
def database_server(kind: str) -> Iterator[DatabaseServer]:
    """A running server. Where its binaries are missing the test is left out, except in CI."""
    missing = [program for program in KINDS[kind][0] if not _program(kind, program)]
    if missing:
        reason = f"{kind} cannot be started by this test: {', '.join(missing)} not found"
        if os.environ.get("CI"):
            raise RuntimeError(reason)
        pytest.skip(reason)
    # Not below the test's own folder, which the server's user may not enter.
    with tempfile.TemporaryDirectory(prefix="bridgx-db-") as directory:
        if user := _someone(kind):
            shutil.chown(directory, user)
        server = DatabaseServer(kind, Path(directory), free_port())
        server.prepare()
        server.start()
        try:
            yield server
        finally:
            server.crash()


def _program(kind: str, name: str) -> str:
    folders = [os.environ.get("PATH", ""), *sorted(glob.glob(KINDS[kind][1]), reverse=True)]
    return shutil.which(name, path=os.pathsep.join(folders)) or ""


def _someone(kind: str) -> str:
    """Who runs the server in root's place, since both refuse root; empty: whoever runs the test."""
    if os.geteuid() != 0:
        return ""
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(KINDS[kind][2]).pw_name
    return "nobody"


def _as_someone(kind: str) -> list[str]:
    user = _someone(kind)
    if not user:
        return []
    # By a program, not by this process: what forks to change its user takes gRPC's threads along, and dies of it.
    return ["setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups"]
