"""Ports of loopback for servers that are started here and now, or again later under the same ports."""

from __future__ import annotations

import random
import socket
from collections.abc import Collection

# Below the ports that systems give to outgoing connections (Linux: from 32,768), so that none of those takes a port
# between its choice and its use.
FIRST, LAST = 20_000, 32_767
ATTEMPTS = 1_000


def free_port(taken: Collection[int] = ()) -> int:
    """A port that nothing listens on and that is not among ``taken``; raises OSError where there is none."""
    return free_range(1, taken)


def free_range(length: int, taken: Collection[int] = ()) -> int:
    """The first of ``length`` such ports in a row."""
    for _ in range(ATTEMPTS):
        first = random.SystemRandom().randint(FIRST, LAST - length + 1)
        wanted = range(first, first + length)
        if not any(port in taken for port in wanted) and all(_is_free(port) for port in wanted):
            return first
    raise OSError(f"no {length} free ports in a row between {FIRST} and {LAST}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
