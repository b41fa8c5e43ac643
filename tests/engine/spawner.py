"""A process that imports everything once and then forks workers on command, so that one can be killed every second.

Commands on the standard input: `start`, or `start POINT N`: die by SIGKILL when the fault point is passed the Nth time; a
file named after that holds changes of the configuration. Each is answered by the pid of the new worker.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bridgx_server import logs
from bridgx_server.providers.base import ProviderSettings
from bridgx_server.providers.rates import parse
from bridgx_server.providers.registry import ADAPTERS, ProviderRegistry
from bridgx_server.provisioning.accounts import AccountClouds, StoredTemplates
from bridgx_server.scaling.assembly import make_engine, make_worker
from bridgx_server.scaling.engine import EngineSettings
from bridgx_server.scaling.limiter import Limiter, LimiterSettings
from bridgx_server.store.database import Store
from bridgx_server.store.secrets import Keyring


def run_worker(config: dict[str, Any], point: str, count: int) -> None:
    seen = 0

    def reach(name: str) -> None:
        nonlocal seen
        if name == point:
            seen += 1
            if seen == count:
                os.kill(os.getpid(), signal.SIGKILL)

    wrong_by = config.get("clock_is_wrong_by", 0.0)
    store = Store(config["database_url"], clock=lambda: time.time() + wrong_by)
    keyring = Keyring.of(bytes.fromhex(config["key"]))
    timeout = config.get("read_timeout", 20.0)
    if point == "commit":
        _tell_of_commits(store, reach)
    endpoints = {
        name: ProviderSettings(endpoint=url, read_timeout=timeout) for name, url in config["endpoints"].items()
    }
    settings = EngineSettings(**config["engine"])
    limiter = Limiter(store, LimiterSettings(lease=settings.lease, overrides=parse(config["rates"], tuple(ADAPTERS))))
    clouds = AccountClouds(store, keyring, ProviderRegistry(endpoints, limiter))
    engine = make_engine(store, clouds, StoredTemplates(store, keyring), settings, gates=limiter, reach=reach)
    make_worker(engine).start()
    signal.pause()


def _tell_of_commits(store: Store, reach: Callable[[str], None]) -> None:
    """Makes each commit a moment to die at, whatever part of the engine made it."""
    commit = store.database.commit

    def committed() -> Any:
        answer = commit()
        reach("commit")
        return answer

    store.database.commit = committed


def main() -> None:
    config = json.loads(sys.argv[1])
    for name in config["import"]:
        __import__(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        _, point, count, changes = (*line.split(), *("", "1", "")[max(len(line.split()) - 1, 0) :])
        if changes:
            config = {**config, **json.loads(Path(changes).read_text())}
        pid = os.fork()
        if pid == 0:
            sys.stdin.close()
            sys.stdout.close()
            logs.set_up("warning", "json", sys.stderr)  # the closed one would make every log line fail
            run_worker(config, point, int(count))
            os._exit(0)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
