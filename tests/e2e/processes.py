"""Commands of BridgX that run as an operator starts them: told apart by what they write, and ended in every way."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

COMMAND = [sys.executable, "-m", "bridgx_server"]


@dataclass
class Process:
    """A command that runs, and what it has written."""

    process: subprocess.Popen[bytes]
    log: Path
    port: int = 0

    def says(self, word: str) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return f'"{word}"' in self.log.read_text()

    def lives(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> None:
        """It does nothing more until it is woken."""
        self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        assert self.process.wait(60) == -signal.SIGKILL

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, self.log.read_text()

    def end_for_good(self) -> None:
        """Whatever state it is in."""
        self.process.kill()
        self.process.wait()


def started(arguments: Sequence[str], log: Path, environment: Mapping[str, str], port: int = 0) -> Process:
    """Runs `bridgx ARGUMENTS` in the folder of its log."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*COMMAND, *arguments], env=dict(environment), cwd=log.parent, stdout=file, stderr=file
        )
    return Process(process, log, port)
