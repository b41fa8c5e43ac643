"""Runs the benchmarks: `make bench`, or `python benchmarks/run.py NAME … --cloud NAME …`. Figures compare within one run only."""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import calls
import expand
import queries
from bridgx_server.cloudsim.front import FRONTS
from result import Result, show


def main() -> None:
    """Each benchmark in a folder of its own, its results as soon as it has ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="Which benchmarks; all if none is named.")
    parser.add_argument("--cloud", dest="clouds", action="append", choices=list(FRONTS), help="For `thousand`.")
    chosen = parser.parse_args()
    clouds = tuple(chosen.clouds or FRONTS)
    known: Mapping[str, Callable[[Path], Iterator[Result]]] = {
        "calls": calls.rate,
        "queries": queries.lists,
        "thousand": lambda directory: expand.thousand(directory, clouds),
        "many-tasks": expand.many_tasks,
        "memory": expand.memory,
    }
    unknown = set(chosen.names) - set(known)
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    print(f"Python {platform.python_version()} on {platform.machine()}, {os.cpu_count()} cores")
    for name in chosen.names or known:
        print(f"\n{name}")
        with tempfile.TemporaryDirectory(prefix="bridgx-benchmark-") as directory:
            show(list(known[name](Path(directory))))


if __name__ == "__main__":
    main()
