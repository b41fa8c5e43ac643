"""Every commit and every call to a cloud as a place to die at: found in the source, and told when one is passed.

Nothing in the server says where these places are. A store that tells of its commits and adapters that tell of their
calls name them by the code that they stand in: `scaling.send._accept#1` is the first transaction of that function,
`scaling.send._find:find_machines` a call in it. The same names are read out of the source, so a step that is new is
known before any test has passed it.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import bridgx_server
from bridgx_server.providers.base import Provider
from bridgx_server.store.database import Store

ROOT = Path(bridgx_server.__file__).parent
CALLS = frozenset(name for name in vars(Provider) if not name.startswith("_")) - {"name", "limits", "check_machines"}
NO_STEPS = ("database.py", "retrying.py")  # what only passes steps on
WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE")

Reach = Callable[[str], None]


def steps_in(*patterns: str) -> set[str]:
    """The names of all commits and calls in the files of the server that match."""
    return {step for pattern in patterns for path in ROOT.glob(pattern) for step in _steps_of(path)}


@functools.cache
def _steps_of(path: Path) -> tuple[str, ...]:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return tuple(step for function in _functions(path) for step in function.steps(module))


@dataclass(frozen=True)
class _Function:
    """A function with the lines of its transactions, each from its `with` to the block, and the calls in it."""

    name: str
    transactions: tuple[tuple[int, int], ...]
    calls: tuple[str, ...]

    def steps(self, module: str) -> list[str]:
        commits = [f"{module}.{self.name}#{number}" for number, _ in enumerate(self.transactions, 1)]
        return commits + sorted({f"{module}.{self.name}:{call}" for call in self.calls})


@functools.cache
def _functions(path: Path) -> tuple[_Function, ...]:
    found: list[_Function] = []

    def visit(node: ast.AST, name: str) -> None:
        transactions: list[tuple[int, int]] = []
        calls: list[str] = []

        def walk(inner: ast.AST) -> None:
            for child in ast.iter_child_nodes(inner):
                if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                    visit(child, f"{name}.{child.name}" if name else child.name)
                    continue
                if isinstance(child, ast.With) and any(_opens(item.context_expr) for item in child.items):
                    transactions.append((child.lineno, child.body[0].lineno))
                if isinstance(child, ast.Call) and isinstance(child.func, ast.Attribute) and child.func.attr in CALLS:
                    calls.append(child.func.attr)
                walk(child)

        walk(node)
        if transactions or calls:
            found.append(_Function(name, tuple(transactions), tuple(calls)))

    visit(ast.parse(path.read_text(encoding="utf-8")), "")
    return tuple(found)


def _opens(expression: ast.expr) -> bool:
    return (
        isinstance(expression, ast.Call)
        and isinstance(expression.func, ast.Attribute)
        and expression.func.attr == "transaction"
    )


def _where(skip: Sequence[str]) -> tuple[str, _Function | None, FrameType]:
    """The function of the server that is about to take a step."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT) and path.name not in skip:
            name = frame.f_code.co_qualname.replace(".<locals>", "").replace(".<lambda>", "").replace(".<genexpr>", "")
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            function = next((function for function in _functions(path) if function.name == name), None)
            return f"{module}.{name}", function, frame
        frame = frame.f_back
    raise AssertionError("a step was taken outside the server")


class TellingStore(Store):
    """A store that says before and after each commit which one it is."""

    def __init__(self, url: str, reach: Reach) -> None:
        super().__init__(url)
        self._reach = reach
        execute = self.database.execute_sql

        def execute_sql(sql: str, *arguments: Any, **options: Any) -> Any:
            if sql.lstrip().upper().startswith(WRITES) and not self.database.in_transaction():
                name, _, _ = _where(NO_STEPS)
                reach(f"before:{name}:write")
                answer = execute(sql, *arguments, **options)
                reach(f"after:{name}:write")
                return answer
            return execute(sql, *arguments, **options)

        self.database.execute_sql = execute_sql

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        if self.database.in_transaction():
            with super().transaction():
                yield
            return
        name, function, frame = _where(NO_STEPS)
        lines = function.transactions if function else ()
        number = next((n for n, (first, last) in enumerate(lines, 1) if first <= frame.f_lineno < last), 0)
        with super().transaction():
            yield
            self._reach(f"before:{name}#{number}")
        self._reach(f"after:{name}#{number}")


class _TellingProvider:
    """An adapter that says before and after each call to the cloud where it is made."""

    def __init__(self, provider: Provider, reach: Reach) -> None:
        self._provider = provider
        self._told = reach

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(self._provider, attribute)
        if attribute not in CALLS:
            return value

        def call(*arguments: Any, **options: Any) -> Any:
            name, _, _ = _where(())
            self._told(f"before:{name}:{attribute}")
            answer = value(*arguments, **options)
            self._told(f"after:{name}:{attribute}")
            return answer

        return call


class TellingClouds:
    """Accounts whose adapters tell of their calls."""

    def __init__(self, clouds: Any, reach: Reach) -> None:
        self._clouds = clouds
        self._reach = reach

    def provider(self, account_id: int) -> Any:
        return _TellingProvider(self._clouds.provider(account_id), self._reach)

    def verify(self, credentials: Any) -> None:
        self._clouds.verify(credentials)
