"""A process that imports everything once and then forks workers on command, so that one can be killed every second.

Commands on the standard input: `start`, or `start POINT N`: die by SIGKILL when the fault point is passed the Nth time.
Each is answered by the pid of the new worker.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from bridgx_server.providers.base import ProviderSettings
from bridgx_server.providers.registry import ProviderRegistry
from bridgx_server.provisioning.accounts import AccountClouds, StoredTemplates
from bridgx_server.scaling.assembly import make_engine, make_worker
from bridgx_server.scaling.engine import EngineSettings
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

    store = Store(config["database_url"])
    keyring = Keyring.of(bytes.fromhex(config["key"]))
    endpoints = {name: ProviderSettings(endpoint=url, read_timeout=20.0) for name, url in config["endpoints"].items()}
    clouds = AccountClouds(store, keyring, ProviderRegistry(endpoints))
    engine = make_engine(
        store, clouds, StoredTemplates(store, keyring), EngineSettings(**config["engine"]), reach=reach
    )
    make_worker(engine).start()
    signal.pause()


def main() -> None:
    config = json.loads(sys.argv[1])
    for name in config["import"]:
        __import__(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        _, point, count = (*line.split(), "", "1")[:3]
        pid = os.fork()
        if pid == 0:
            sys.stdin.close()
            sys.stdout.close()
            sys.stdout = sys.stderr  # where a worker's log goes; the pipe is for the pids
            run_worker(config, point, int(count))
            os._exit(0)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
