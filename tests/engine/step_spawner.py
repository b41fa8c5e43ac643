"""Forks processes of the server that die when a step is taken, as `steps.py` names them.

Commands on the standard input: `work POINT`, `serve POINT PORT`, `remove POINT ID…`, POINT `-` for none. Each is answered
by the pid. What every process passed is appended to a file, one line a step.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

import structlog
from bridgx_server.providers.base import Credentials, ProviderSettings
from bridgx_server.providers.registry import ProviderRegistry
from bridgx_server.provisioning.accounts import AccountClouds
from bridgx_server.provisioning.networks import Networks
from bridgx_server.scaling.engine import Engine, EngineSettings
from bridgx_server.scaling.removal import delete_orphans
from bridgx_server.server import Parts, Server
from bridgx_server.settings import Settings
from bridgx_server.store.orphans import OrphanFilter
from bridgx_server.store.scope import EVERYTHING
from bridgx_server.store.secrets import Keyring
from engine.steps import TellingClouds, TellingStore

TOKENS = {"tester": "token-of-tests"}


class _TellingParts(Parts):
    """The parts of a server whose adapters tell of their calls, with the engine's times of a test."""

    reach: Callable[[str], None]
    times: EngineSettings

    def clouds(self) -> AccountClouds:
        return TellingClouds(super().clouds(), self.reach)  # type: ignore[return-value]

    def networks(self, clouds: AccountClouds, background: Executor | None = None) -> Networks:
        made = super().networks(clouds, background)
        patience = replace(made.patience, visibility=self.times.visibility, answer=self.times.answer)
        return replace(made, patience=patience)

    def engine(self, clouds: AccountClouds) -> Engine:
        made = super().engine(clouds)
        return replace(made, settings=self.times)


def parts_of(config: dict[str, Any], point: str) -> _TellingParts:
    passed = os.open(config["passed"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def reach(name: str) -> None:
        os.write(passed, f"{name}\n".encode())
        if name == point:
            os.kill(os.getpid(), signal.SIGKILL)

    settings = Settings(database_url=config["database_url"], grpc_port=0, **config["settings"])
    store = TellingStore(config["database_url"], reach)
    parts = _TellingParts(settings, store, Keyring.of(bytes.fromhex(config["key"])), TOKENS)
    object.__setattr__(parts, "reach", reach)
    object.__setattr__(parts, "times", EngineSettings(**config["engine"]))
    return parts


def run(config: dict[str, Any], command: str, point: str, arguments: list[str]) -> None:
    # The log goes to the standard error: the standard output answers commands.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    parts = parts_of(config, point)
    if command == "serve":
        object.__setattr__(parts, "settings", parts.settings.model_copy(update={"grpc_port": int(arguments[0])}))
        server = Server(parts)  # kept, since one that is let go of stops
        server.start()
    elif command == "work":
        clouds = parts.clouds()
        parts.worker(clouds).start()
        parts.housekeeping(parts.networks(clouds)).start()
    else:
        delete_orphans(parts.engine(parts.clouds()), EVERYTHING, OrphanFilter(instance_ids=arguments), "test")
        return
    signal.pause()


def main() -> None:
    config = json.loads(sys.argv[1])
    registry = ProviderRegistry({config["cloud"]: ProviderSettings()})
    # Imports the SDK, once for all that are forked.
    registry.get(Credentials(config["cloud"], "nobody", "none-none-none-none", "none"))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        command, point, *arguments = line.split()
        pid = os.fork()
        if pid == 0:
            sys.stdin.close()
            sys.stdout.close()
            try:
                run(config, command, point, arguments)
            finally:
                os._exit(0)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
