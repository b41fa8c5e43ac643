"""A call that a caller repeats is done once, and a call that was cut off is continued by its repetition."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from weakref import WeakValueDictionary

from google.protobuf.message import Message

from bridgx_server.errors import BridgXError, InvalidField
from bridgx_server.identities.identity import Identity
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.store import chunks, requests
from bridgx_server.store.database import Store

# After these nothing was done for certain, so the id may be used again, also with other parameters.
WITHOUT_EFFECT = (
    ErrorClass.OUT_OF_STOCK,
    ErrorClass.QUOTA_EXCEEDED,
    ErrorClass.INSUFFICIENT_BALANCE,
    ErrorClass.BAD_CREDENTIALS,
    ErrorClass.PERMISSION_DENIED,
    ErrorClass.NOT_FOUND,
    ErrorClass.INVALID_PARAMETER,
)


class _Lock:
    def __init__(self) -> None:
        self.lock = threading.Lock()


_locks: WeakValueDictionary[tuple[str, str, str], _Lock] = WeakValueDictionary()
_table = threading.Lock()


@dataclass(frozen=True)
class Attempt:
    """One run of a call. ``token`` is the same in every attempt of the same request.

    ``caller`` is the caller's name; ``owner`` tells it from all others, and is what its request ids belong to.
    """

    store: Store
    caller: str
    owner: str
    request_id: str
    operation: str

    @property
    def token(self) -> str:
        """A lower-case UUID for the call to a cloud."""
        return self.token_of("")

    def token_of(self, step: str) -> str:
        """A lower-case UUID for one of several calls to a cloud."""
        namespace = uuid.UUID(chunks.installation(self.store))
        return str(uuid.uuid5(namespace, f"{self.owner}/{self.operation}/{self.request_id}/{step}"))

    def answer_so_far(self) -> str:
        """What another server has answered to the same request meanwhile; inside the transaction of the change."""
        return requests.answer_of(self.store, self.owner, self.request_id, self.operation)

    def answered(self, answer: str) -> None:
        """Keeps the answer; in the transaction of the change, where there is one."""
        with self.store.connection():
            requests.finish(self.owner, self.request_id, self.operation, answer)


def once(store: Store, caller: Identity, request_id: str, request: Message, run: Callable[[Attempt], str]) -> str:
    """The answer of ``run``, or that of an earlier request of the same caller and id.

    Raises:
        Conflict: the id was used with other parameters.
        InvalidField: the id is too long.
    """
    if len(request_id) > 64:
        raise InvalidField("request_id", "must have at most 64 characters")
    operation = type(request).__name__.removesuffix("Request")
    attempt = Attempt(store, caller.name, caller.key, request_id or f"made-{uuid.uuid4()}", operation)
    with _one_at_a_time(attempt):
        salt = f"{caller}/{attempt.request_id}"
        return _once(attempt, requests.fingerprint_of(request, salt), run)


def _once(attempt: Attempt, fingerprint: str, run: Callable[[Attempt], str]) -> str:
    store, owner, operation = attempt.store, attempt.owner, attempt.operation
    earlier = requests.begin(store, owner, attempt.request_id, operation, fingerprint)
    if earlier is not None and earlier.answer:
        return earlier.answer
    try:
        return run(attempt)
    except BridgXError:
        requests.abandon(store, owner, attempt.request_id, operation)
        raise
    except ProviderError as error:
        if error.kind in WITHOUT_EFFECT:
            requests.abandon(store, owner, attempt.request_id, operation)
        raise


@contextlib.contextmanager
def _one_at_a_time(attempt: Attempt) -> Iterator[None]:
    """Repetitions of one request wait for each other, in this process."""
    key = (attempt.owner, attempt.request_id, attempt.operation)
    with _table:
        lock = _locks.get(key)
        if lock is None:
            lock = _locks[key] = _Lock()
    with lock.lock:
        yield
