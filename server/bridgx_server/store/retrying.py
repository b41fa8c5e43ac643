"""Transactions that are made again when the database ends them to resolve a deadlock."""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from peewee import OperationalError

ATTEMPTS = 6
LONGEST_PAUSE = 0.05  # seconds
# MySQL: deadlock, lock wait timeout, changed since read (MariaDB). PostgreSQL: deadlock, serialization failure.
CODES = (1213, 1205, 1020)
STATES = ("40P01", "40001")

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")


def made_again(transaction: Callable[Parameters, Answer]) -> Callable[Parameters, Answer]:
    """Decorates a function that is one transaction as a whole, never a part of another's."""

    @functools.wraps(transaction)
    def run(*arguments: Parameters.args, **options: Parameters.kwargs) -> Answer:
        for _ in range(ATTEMPTS - 1):
            try:
                return transaction(*arguments, **options)
            except OperationalError as error:
                if not _is_deadlock(error):
                    raise
                time.sleep(random.uniform(0, LONGEST_PAUSE))
        return transaction(*arguments, **options)

    return run


def _is_deadlock(error: OperationalError) -> bool:
    code = error.args[0] if error.args else None
    state = getattr(error.__cause__ or error.__context__, "sqlstate", None)
    return code in CODES or state in STATES
