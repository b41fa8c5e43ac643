"""What is installed stands in the locks, and the locks are what pyproject.toml allows."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
LOCKS = ("runtime", "dev", "build", "tools")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
MACHINES = ("x86_64", "aarch64")
OWN = {"bridgx-client", "bridgx-server"}

SERVER = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CLIENT = tomllib.loads((ROOT / "clients/python/pyproject.toml").read_text(encoding="utf-8"))
RUNTIME = [*SERVER["project"]["dependencies"], *CLIENT["project"]["dependencies"]]
BUILD = [
    *SERVER["dependency-groups"]["build"],
    *SERVER["build-system"]["requires"],
    *CLIENT["build-system"]["requires"],
]
# What each lock has to satisfy.
DECLARED = {
    "runtime": RUNTIME,
    "dev": [*RUNTIME, *SERVER["project"]["optional-dependencies"]["dev"], *BUILD],
    "build": BUILD,
    "tools": SERVER["dependency-groups"]["tools"],
}


@dataclass(frozen=True)
class Pin:
    """One entry of a lock."""

    name: str
    version: Version
    marker: Marker | None
    hashes: int


def text_of(lock: str) -> str:
    return (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")


def pins(lock: str) -> list[Pin]:
    joined = re.sub(r"\\\n\s*", "", text_of(lock))
    found = []
    for line in joined.splitlines():
        if line.startswith("#"):
            continue
        before, *hashes = line.split("--hash=sha256:")
        requirement = Requirement(before)
        (pinned,) = requirement.specifier
        assert pinned.operator == "==", line
        found.append(Pin(canonicalize_name(requirement.name), Version(pinned.version), requirement.marker, len(hashes)))
    return found


def environment(python: str, machine: str) -> dict[str, str]:
    return {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "platform_machine": machine,
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }


def installed(lock: str, where: dict[str, str]) -> dict[str, Version]:
    """What pip takes from the lock there; a name that it would take twice is an error."""
    table: dict[str, Version] = {}
    for pin in pins(lock):
        if pin.marker is None or pin.marker.evaluate(where):
            assert pin.name not in table, pin.name
            table[pin.name] = pin.version
    return table


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_satisfies_what_is_declared(lock: str, python: str, machine: str) -> None:
    where = environment(python, machine)
    table = installed(lock, where)
    for line in DECLARED[lock]:
        requirement = Requirement(line)
        name = canonicalize_name(requirement.name)
        if name in OWN or (requirement.marker and not requirement.marker.evaluate(where)):
            continue
        assert name in table, f"{line} is not in requirements/{lock}.txt: run make lock"
        assert requirement.specifier.contains(table[name]), f"{line} is locked as {table[name]}: run make lock"


@pytest.mark.parametrize("lock", LOCKS)
def test_every_entry_has_hashes_and_no_line_names_a_place(lock: str) -> None:
    assert pins(lock)
    assert all(pin.hashes for pin in pins(lock))
    assert not re.search(r"://|--(?!hash=)|^-|@", text_of(lock), re.MULTILINE)


@pytest.mark.parametrize("lock", ["runtime", "build"])
def test_what_is_deployed_is_what_was_tested(lock: str) -> None:
    tested = {(pin.name, pin.version) for pin in pins("dev")}
    assert {(pin.name, pin.version) for pin in pins(lock)} <= tested


@pytest.mark.parametrize(
    "line",
    [*DECLARED["dev"], *DECLARED["tools"]],
)
def test_every_dependency_is_bounded_above(line: str) -> None:
    operators = {part.operator for part in Requirement(line).specifier}
    assert operators & {"<", "<=", "==", "~="}, line


def test_make_installs_from_the_locks_alone() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    installs = [line for line in makefile.splitlines() if "pip install" in line or "$(LOCKED)" in line]
    assert any("--require-hashes" in line for line in installs)
    for line in installs:
        assert "--require-hashes" in line or "$(LOCKED)" in line or "--no-deps --no-build-isolation" in line, line
