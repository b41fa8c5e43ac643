"""The keys that seal secrets: where they come from, what they open, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from bridgx_server.settings import Settings
from bridgx_server.store.keys import KeyCommand, KeyFile
from bridgx_server.store.secrets import InvalidKey, Key, Keyring, SecretUnreadable
from pydantic import SecretStr

OLD, NEW = "11" * 32, "22" * 32
ROW = "account/AWSCloud/AKIA1"


def a_file(path: Path, *lines: str, mode: int = 0o600) -> Path:
    path.write_text("\n".join(lines) + "\n")
    path.chmod(mode)
    return path


class Source:
    """Keys that a test changes."""

    def __init__(self, *keys: Key) -> None:
        self.keys = keys
        self.reads = 0
        self.version = 0

    def read(self) -> Sequence[Key]:
        self.reads += 1
        return self.keys

    def stamp(self) -> object:
        return self.version


def test_a_secret_opens_in_its_own_row_alone() -> None:
    ring = Keyring.of(b"k" * 32)
    sealed = ring.seal("s3cret", ROW)
    assert ring.open(sealed, ROW) == "s3cret"
    with pytest.raises(SecretUnreadable, match="another row"):
        ring.open(sealed, "account/AWSCloud/AKIA2")


def test_no_two_sealings_are_alike() -> None:
    ring = Keyring.of(b"k" * 32)
    assert len({ring.seal("s3cret", ROW) for _ in range(500)}) == 500


@pytest.mark.parametrize("damaged", ["", "s3cret", "v1:", "v1:abc:!!!", "v1:abc:AAAA", "v2:abc:AAAA", "v1:a b:AAAA"])
def test_what_is_no_sealed_text_is_named_and_not_quoted(damaged: str) -> None:
    with pytest.raises(SecretUnreadable, match=ROW) as caught:
        Keyring.of(b"k" * 32).open(damaged, ROW)
    assert "s3cret" not in str(caught.value)


def test_one_changed_byte_is_noticed() -> None:
    ring = Keyring.of(b"k" * 32)
    sealed = ring.seal("s3cret", ROW)
    position = len(sealed) // 2
    other = "A" if sealed[position] != "A" else "B"
    with pytest.raises(SecretUnreadable):
        ring.open(sealed[:position] + other + sealed[position + 1 :], ROW)


def test_a_missing_key_is_named_and_so_are_those_that_are_there() -> None:
    sealed = Keyring(Source(Key.of(b"1" * 32, "winter"))).seal("s3cret", ROW)
    with pytest.raises(SecretUnreadable, match=f"{ROW} was sealed with key winter, which is not among summer"):
        Keyring(Source(Key.of(b"2" * 32, "summer"))).open(sealed, ROW)


def test_a_key_that_is_renamed_still_opens() -> None:
    sealed = Keyring.of(b"1" * 32).seal("one", ROW)
    named = Keyring(Source(Key.of(b"1" * 32, "winter")))
    assert named.open(sealed, ROW) == "one"
    assert named.is_current(sealed)
    assert Keyring(Source(Key.of(b"1" * 32, "spring"))).open(named.seal("two", ROW), ROW) == "two"


def test_keys_that_change_are_followed_by_the_running_process() -> None:
    winter, summer = Key.of(b"1" * 32, "winter"), Key.of(b"2" * 32, "summer")
    source = Source(winter)
    ring = Keyring(source)
    before = ring.seal("s3cret", ROW)
    source.keys, source.version = (summer, winter), 1
    assert ring.seal("s3cret", ROW).startswith("v1:summer:")
    assert ring.open(before, ROW) == "s3cret"


def test_a_key_that_another_process_was_given_first_is_read_when_it_is_met() -> None:
    now = 0.0
    winter, summer = Key.of(b"1" * 32, "winter"), Key.of(b"2" * 32, "summer")
    source = Source(winter)
    ring = Keyring(source, clock=lambda: now)
    sealed = Keyring(Source(summer)).seal("s3cret", ROW)
    for _ in range(3):
        with pytest.raises(SecretUnreadable):
            ring.open(sealed, ROW)
    assert source.reads == 2, "an unknown key must not make every call read the keys"
    source.keys = (summer, winter)
    now = 60.0
    assert ring.open(sealed, ROW) == "s3cret"


def test_keys_that_became_unusable_leave_the_old_ones_in_use(tmp_path: Path) -> None:
    file = a_file(tmp_path / "keys", OLD)
    ring = Keyring(KeyFile(file))
    file.chmod(0o644)
    assert ring.open(ring.seal("s3cret", ROW), ROW) == "s3cret"
    file.unlink()
    assert ring.open(ring.seal("s3cret", ROW), ROW) == "s3cret"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o666])
def test_a_key_file_that_others_may_open_is_refused(tmp_path: Path, mode: int) -> None:
    file = a_file(tmp_path / "keys", OLD, mode=mode)
    with pytest.raises(InvalidKey, match=f"mode {mode:04o}.*chmod 600"):
        Settings(secret_key_file=file).keyring()


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (["# nothing"], "holds no key"),
        (["short"], "line 1: a key must"),
        ([OLD, "x" * 64], "line 2: a key must"),
        ([f"a b:{OLD}"], "line 1: a key's id"),
        ([f":{OLD}"], "line 1: a key's id is empty"),
        ([f"one:{OLD}", f"one:{NEW}"], "two different keys are called one"),
    ],
)
def test_a_wrong_key_file_is_refused_without_quoting_it(tmp_path: Path, lines: list[str], why: str) -> None:
    file = a_file(tmp_path / "keys", *lines)
    with pytest.raises(InvalidKey, match=why) as caught:
        Settings(secret_key_file=file).keyring()
    assert not any(part in str(caught.value) for part in (OLD, NEW, "short", "x" * 64))


def test_the_environment_seals_and_the_file_still_opens(tmp_path: Path) -> None:
    file = a_file(tmp_path / "keys", "# kept since spring", f"spring:{OLD}")
    ring = Settings(secret_key=SecretStr(f"autumn:{NEW}"), secret_key_file=file).keyring()
    assert ring is not None
    assert ring.ids == ("autumn", "spring")


def test_keys_come_from_a_command_that_no_shell_reads(tmp_path: Path) -> None:
    script = tmp_path / "print keys"
    script.write_text(f'#!/bin/sh\necho "$1" >{tmp_path}/told\necho "vault:{OLD}"\necho noise >&2\n')
    script.chmod(0o700)
    ring = Settings(secret_key_command=f"'{script}' '$(touch {tmp_path}/shell); rm'").keyring()
    assert ring is not None
    assert ring.ids == ("vault",)
    assert (tmp_path / "told").read_text() == f"$(touch {tmp_path}/shell); rm\n"
    assert not (tmp_path / "shell").exists()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("echo s3cret-output; exit 3", "ended with status 3"),
        ("echo s3cret-output", "line 1: a key must"),
        ("true", "holds no key"),
        ("head -c 70000 /dev/zero", "longer than"),
        ("sleep 600 & sleep 600", "did not end within"),
    ],
)
def test_a_command_that_fails_is_told_without_its_output(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], body: str, why: str
) -> None:
    script = tmp_path / "keys.sh"
    script.write_text(f"#!/bin/sh\necho s3cret-complaint >&2\n{body}\n")
    script.chmod(0o700)
    with pytest.raises(InvalidKey, match=why) as caught:
        KeyCommand(f"{script} --token s3cret-argument", timeout=2.0).read()
    assert "s3cret" not in str(caught.value) + "".join(capfd.readouterr())


def test_a_command_that_is_not_there_is_told() -> None:
    with pytest.raises(InvalidKey, match="cannot be run: No such file"):
        KeyCommand("/nowhere/keys").read()


def test_a_settings_file_with_the_key_must_be_private(tmp_path: Path) -> None:
    file = tmp_path / "bridgx.toml"
    file.write_text(f'secret_key = "{OLD}"\n')
    file.chmod(0o644)
    run = bridgx(tmp_path, "migrate", BRIDGX_SETTINGS_FILE=str(file))
    assert run.returncode == 1
    assert "chmod 600" in run.stderr
    assert OLD not in run.stderr
    file.chmod(0o600)
    assert bridgx(tmp_path, "migrate", BRIDGX_SETTINGS_FILE=str(file)).returncode == 0


def test_generated_keys_go_first_into_a_private_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    for name in ("spring", "autumn"):
        run = bridgx(tmp_path, "keys", "generate", "--id", name, "--file", str(file))
        assert run.returncode == 0, run.stderr
        assert name in run.stdout
        assert not any(line.partition(":")[2] in run.stdout for line in file.read_text().split())
    assert file.stat().st_mode & 0o777 == 0o600
    ring = Settings(secret_key_file=file).keyring()
    assert ring is not None
    assert ring.ids == ("autumn", "spring")
    again = bridgx(tmp_path, "keys", "generate", "--id", "spring", "--file", str(file))
    assert "has a key called spring already" in again.stderr
    printed = bridgx(tmp_path, "keys", "generate").stdout.strip()
    assert len(Keyring(Source(*_keys(printed))).ids) == 1


def _keys(line: str) -> list[Key]:
    name, _, key = line.partition(":")
    return [Key.of(bytes.fromhex(key), name)]


def bridgx(directory: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bridgx_server", *arguments],
        cwd=directory,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
