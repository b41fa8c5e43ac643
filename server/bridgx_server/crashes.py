"""What a process that dies leaves behind: a log line, and no picture of its memory, which holds secrets."""

from __future__ import annotations

import contextlib
import ctypes
import resource
import sys
import threading
from types import TracebackType

import structlog

PR_SET_DUMPABLE = 4  # of prctl(2)

log = structlog.get_logger("bridgx.crash")


def keep_memory_private() -> None:
    """No core file is written of this process, nor, as far as the limit goes, of those that it starts."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, AttributeError):  # not Linux
        # The limit alone does not hold where core files go to a program.
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def guard() -> None:
    """From now on nothing that goes wrong shows a secret: no core file is written, no other process of the user may look
    into the memory or the environment of this one, and exceptions that nobody caught are logged as all others are."""
    keep_memory_private()
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical("uncaught exception", exc_info=(kind, error, trace))


def _uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None and not isinstance(arguments.exc_value, SystemExit):
        thread = arguments.thread.name if arguments.thread else ""
        information = (arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
        log.critical("uncaught exception", thread=thread, exc_info=information)
