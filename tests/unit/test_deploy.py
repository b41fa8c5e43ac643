"""The container files fit the project and keep what SECURITY.md says of them. No container is built or run here."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from bridgx_server.cli import main
from bridgx_server.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("bridgx:")}
STAGES = re.split(r"^(?=FROM )", (DEPLOY / "Containerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]


def instructions(stage: str) -> list[tuple[str, str]]:
    joined = re.sub(r"\\\n\s*", " ", stage)
    lines = [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1].strip()) for line in lines]


def parsed(words: list[str]) -> None:
    """Raises click.UsageError for a command line that `bridgx` would not take, files aside that are in the container alone."""
    name, *rest = words
    command = main.get_command(click.Context(main), name)
    assert command is not None, f"there is no command {name}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(click.Path, "convert", lambda _self, value, _parameter, _context: value)
        command.make_context(name, rest)


def container_files(words: list[str]) -> set[str]:
    return {word.rpartition("/run/secrets/")[2] for word in words if "/run/secrets/" in word}


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_can_do_as_little_as_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert service["deploy"]["resources"]["limits"]["memory"]
    assert not service.keys() & {"privileged", "cap_add", "network_mode", "pid", "ipc", "devices", "userns_mode"}
    assert all(not mount.startswith(("/", ".", "~")) for mount in service.get("volumes", []))


def test_only_envoy_is_published_and_on_loopback_by_default() -> None:
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"edge"}
    assert SERVICES["edge"]["ports"] == ["${BRIDGX_PUBLISH:-127.0.0.1:8443}:8443"]
    assert "--port=8443" in SERVICES["edge"]["command"]
    assert COMPOSE["networks"]["data"]["internal"]
    assert SERVICES["database"]["networks"] == ["data"]
    assert "data" not in SERVICES["edge"]["networks"]


@pytest.mark.parametrize("name", OURS)
def test_the_commands_are_those_of_the_project(name: str) -> None:
    parsed(OURS[name]["command"])
    test = OURS[name]["healthcheck"].get("test")
    if test and test[1] == "bridgx":
        parsed(test[2:])


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_the_secrets_that_it_reads_and_no_other(name: str) -> None:
    service = SERVICES[name]
    words = [*service.get("command", []), *service["healthcheck"].get("test", []), *service["environment"].values()]
    assert set(service["secrets"]) == container_files(words)
    assert set(service["secrets"]) <= set(COMPOSE["secrets"])
    assert set(service["networks"]) <= set(COMPOSE["networks"])
    assert {mount.partition(":")[0] for mount in service.get("volumes", [])} <= set(COMPOSE["volumes"])


@pytest.mark.parametrize("name", OURS)
def test_environment_variables_are_settings(name: str) -> None:
    known = {f"BRIDGX_{field.upper()}" for field in Settings.model_fields} | {"BRIDGX_SETTINGS_FILE"}
    assert set(OURS[name]["environment"]) <= known


def test_things_start_after_what_they_need() -> None:
    for name in ("server", "worker"):
        assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert SERVICES["migrate"]["depends_on"]["database"] == {"condition": "service_healthy"}
    assert SERVICES["edge"]["depends_on"]["server"] == {"condition": "service_healthy"}
    assert SERVICES["migrate"]["restart"] == "no"


def test_the_image_runs_as_nobody_special_without_tools_to_build() -> None:
    last = instructions(STAGES[-1])
    said = dict(last)
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", said["USER"])
    assert {service["user"] for service in OURS.values()} == {said["USER"]}
    assert said["STOPSIGNAL"] == "SIGTERM"
    copied = [arguments for word, arguments in last if word in ("COPY", "ADD")]
    assert copied == ["--from=build /opt/bridgx /opt/bridgx"]
    assert not any("pip" in arguments and "rm -rf" not in arguments for word, arguments in last if word == "RUN")
    parsed(yaml.safe_load(said["HEALTHCHECK"].partition("CMD ")[2])[1:])
    parsed(yaml.safe_load(said["CMD"]))


def test_the_image_is_installed_from_the_locks() -> None:
    (build,) = STAGES[:-1]
    steps = [step for word, arguments in instructions(build) if word == "RUN" for step in arguments.split("&&")]
    installs = [shlex.split(step) for step in steps if "pip" in step and re.search(r"\b(install|wheel)\b", step)]
    assert len(installs) == 5
    for words in installs:
        if "-r" in words:
            assert "--require-hashes" in words
            assert (ROOT / words[words.index("-r") + 1]).is_file()
        else:
            assert {"--no-index", "--no-deps"} <= set(words)
    for word, arguments in instructions(build):
        if word == "COPY":
            for source in arguments.split()[:-1]:
                assert (ROOT / source).exists(), source


def test_the_secrets_that_compose_reads_are_made(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    script = ["sh", str(DEPLOY / "make-secrets.sh"), "--directory", str(folder)]
    subprocess.run([*script, "--name", "api.example.net"], check=True, capture_output=True)
    made = {path.name for path in folder.iterdir()}
    assert {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()} == made - {"ca.key"}
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o400}

    again = subprocess.run(script, check=False, capture_output=True, text=True)
    assert again.returncode == 1
    assert "exists" in again.stderr

    before = {name: (folder / name).read_bytes() for name in made}
    subprocess.run([*script, "--renew"], check=True, capture_output=True)
    changed = {name for name in made if (folder / name).read_bytes() != before[name]}
    assert changed == {f"{name}.{kind}" for name in ("server", "edge", "edge-client") for kind in ("pem", "key")}
    for name, host in (("server", "server"), ("edge", "api.example.net"), ("edge-client", "edge")):
        verify = ["openssl", "verify", "-CAfile", folder / "ca.pem", "-verify_hostname", host, folder / f"{name}.pem"]
        subprocess.run(verify, check=True, capture_output=True)


def test_the_settings_that_are_made_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "secrets"
    subprocess.run(["sh", DEPLOY / "make-secrets.sh", "--directory", folder], check=True, capture_output=True)
    monkeypatch.setenv("BRIDGX_SETTINGS_FILE", str(folder / "settings.toml"))
    monkeypatch.setenv("BRIDGX_SECRET_KEY_FILE", str(folder / "secret-key"))
    settings = Settings()
    password = (folder / "database-password").read_text(encoding="ascii")
    assert settings.database_url == f"postgresql://bridgx:{password}@database:5432/bridgx"
    assert settings.keyring() is not None
