"""Where log lines go: what can wait is written together, what is urgent at once."""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
from collections import deque
from typing import TextIO

DELAY = 0.05  # seconds that a line may wait


class Lines:
    """A structlog logger that writes lines to a stream, for all threads, in their order.

    Writing lets go of the interpreter's lock, which costs a busy server more than all else that a call's line takes. So
    lines up to the level of information wait for each other, :data:`DELAY` seconds at most; one above it is written at
    once, with all before it. What waits is written when the process ends, but not when it is killed.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._waiting: deque[str] = deque()
        self._some = threading.Event()
        self._writing = threading.Lock()
        self._writer: threading.Thread | None = None
        self._closed = False
        atexit.register(self.flush)

    def debug(self, line: str) -> None:
        """Writes a line soon."""
        self._waiting.append(line)
        if not self._some.is_set():
            self._wake()

    info = debug

    def warning(self, line: str) -> None:
        """Writes a line now, and all that wait."""
        self._waiting.append(line)
        self.flush()

    error = critical = exception = failure = fatal = msg = log = warning

    def flush(self) -> None:
        """Writes what waits. A stream that is closed or broken takes no more, and harms nobody."""
        with self._writing:
            self._some.clear()
            lines = []
            while self._waiting:
                lines.append(self._waiting.popleft())
            if lines:
                with contextlib.suppress(OSError, ValueError):
                    self._stream.write("\n".join(lines) + "\n")
                    self._stream.flush()

    def close(self) -> None:
        """Writes what waits, and waits for nothing more."""
        self._closed = True
        self._some.set()
        atexit.unregister(self.flush)
        self.flush()

    def _wake(self) -> None:
        self._some.set()
        # A process that was forked has none.
        if self._writer is None or not self._writer.is_alive():
            self._writer = threading.Thread(target=self._write, name="bridgx-log", daemon=True)
            self._writer.start()

    def _write(self) -> None:
        while not self._closed:
            self._some.wait()
            time.sleep(DELAY)
            self.flush()
