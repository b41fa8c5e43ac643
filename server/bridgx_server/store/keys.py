"""Where the keys that seal secrets come from: the environment, a file, or what a command prints."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bridgx_server.store.secrets import InvalidKey, Key, KeySource, keys_from_text

COMMAND_TIMEOUT = 30.0  # seconds
LONGEST = 64 * 1024  # bytes of a key file, or of what a command prints


class KeyText:
    """Keys in a text; commas or spaces stand between them too."""

    def __init__(self, text: str, where: str) -> None:
        self._text = text
        self._where = where

    def read(self) -> Sequence[Key]:
        return keys_from_text("\n".join(self._text.replace(",", " ").split()), self._where)

    def stamp(self) -> object:
        return None


class KeyFile:
    """A file of keys, which its owner alone may read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Sequence[Key]:
        return keys_from_text(private_text(self._path), str(self._path))

    def stamp(self) -> object:
        state = self._path.stat()
        return state.st_mtime_ns, state.st_size, state.st_ino, state.st_mode


class KeyCommand:
    """What a command prints. It runs without a shell; its output and its complaints are never shown or logged."""

    def __init__(self, command: str, *, timeout: float = COMMAND_TIMEOUT) -> None:
        """``command`` is split as a shell would; ``timeout`` is in seconds. Raises InvalidKey."""
        try:
            self._arguments = shlex.split(command)
        except ValueError:
            raise InvalidKey("the key command has an open quote") from None
        if not self._arguments:
            raise InvalidKey("the key command is empty")
        self._timeout = timeout

    def read(self) -> Sequence[Key]:
        return keys_from_text(self._output(), "the key command's output")

    def stamp(self) -> object:
        return None

    def _output(self) -> str:
        # Only the program is named in errors: its arguments may hold a token.
        program = self._arguments[0]
        try:
            process = subprocess.Popen(
                self._arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise InvalidKey(f"the key command {program} cannot be run: {error.strerror}") from None
        try:
            output, _ = process.communicate(timeout=self._timeout)
        except subprocess.TimeoutExpired:
            # With all that it has started: a child of its own may hold the pipe open.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise InvalidKey(f"the key command {program} did not end within {self._timeout:g} s") from None
        if process.returncode != 0:
            raise InvalidKey(f"the key command {program} ended with status {process.returncode}")
        return _decoded(output, f"the output of the key command {program}")


class KeySources:
    """The keys of several sources, one after another."""

    def __init__(self, sources: Sequence[KeySource]) -> None:
        self._sources = tuple(sources)

    def read(self) -> Sequence[Key]:
        return [key for source in self._sources for key in source.read()]

    def stamp(self) -> object:
        return tuple(source.stamp() for source in self._sources)


def private_text(path: Path) -> str:
    """The content of a file that its owner alone may read or write. Raises InvalidKey, OSError."""
    with path.open("rb") as file:
        state = os.fstat(file.fileno())
        if not stat.S_ISREG(state.st_mode):
            raise InvalidKey(f"{path} is no file")
        if state.st_mode & 0o077:
            mode = stat.S_IMODE(state.st_mode)
            raise InvalidKey(f"{path} is open to others than its owner (mode {mode:04o}): chmod 600 {path}")
        return _decoded(file.read(LONGEST + 1), str(path))


def _decoded(content: bytes, where: str) -> str:
    if len(content) > LONGEST:
        raise InvalidKey(f"{where} is longer than {LONGEST} bytes")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidKey(f"{where} is no text") from None


def add_to_file(path: Path, line: str) -> None:
    """Puts a key before those of a file, which is made where there is none; nobody else may read it.

    The file is exchanged as a whole, so that a server that reads it sees all of it or none. Raises InvalidKey, OSError.
    """
    before = private_text(path) if path.exists() else ""
    target = path.resolve()
    following = target.with_name(target.name + ".new")
    # Exclusive: of two that add a key at once, one is refused, and none is lost.
    descriptor = os.open(following, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{line}\n{before}")
            file.flush()
            os.fsync(file.fileno())
        following.replace(target)
    except BaseException:
        following.unlink(missing_ok=True)
        raise
