"""A call that a caller repeats is done once, and a call that was cut off is continued by its repetition."""

from __future__ import annotations

import contextlib
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from weakref import WeakValueDictionary

from google.protobuf import json_format
from google.protobuf.message import Message

from bridgx_server.errors import BridgXError, InvalidField
from bridgx_server.identities.identity import Identity
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.store import chunks, requests
from bridgx_server.store.database import Store
from bridgx_server.store.requests import Key, Made, Progress

# After these nothing was done for certain, and asking again is no use.
WITHOUT_EFFECT = (
    ErrorClass.OUT_OF_STOCK,
    ErrorClass.NO_ADDRESSES,
    ErrorClass.QUOTA_EXCEEDED,
    ErrorClass.INSUFFICIENT_BALANCE,
    ErrorClass.BAD_CREDENTIALS,
    ErrorClass.PERMISSION_DENIED,
    ErrorClass.NOT_FOUND,
    ErrorClass.INVALID_PARAMETER,
)
# After these the call may have done what it was asked to do.
DOUBTFUL = (ErrorClass.UNAVAILABLE, ErrorClass.TIMEOUT_UNKNOWN, ErrorClass.UNKNOWN)


class _Lock:
    def __init__(self) -> None:
        self.lock = threading.Lock()


_locks: WeakValueDictionary[tuple[str, str, str], _Lock] = WeakValueDictionary()
_table = threading.Lock()


@dataclass(frozen=True)
class Attempt:
    """One run of a call. ``token`` is the same in every attempt of the same request, until what it made was undone.

    ``caller`` is the caller's name; ``owner`` tells it from all others, and is what its request ids belong to. ``orphaned``
    says that its caller is gone: what is being undone is not begun anew.
    """

    store: Store
    caller: str
    owner: str
    request_id: str
    operation: str
    orphaned: bool = False

    @property
    def key(self) -> Key:
        """What names the request in the store."""
        return Key(self.owner, self.request_id, self.operation)

    @property
    def token(self) -> str:
        """A lower-case UUID for the call to a cloud."""
        return self.token_of("")

    def token_of(self, step: str) -> str:
        """A lower-case UUID for one of several calls to a cloud."""
        namespace = uuid.UUID(chunks.installation(self.store))
        name = f"{self.owner}/{self.operation}/{self.request_id}/{step}"
        # A cloud answers a token that it knows with the thing that was made under it, removed or not.
        generation = self.progress.generation
        return str(uuid.uuid5(namespace, f"{name}/{generation}" if generation else name))

    @property
    def progress(self) -> Progress:
        """What the request has made at a cloud so far."""
        return requests.progress_of(self.store, self.key)

    def made(self, kind: str, thing_id: str) -> None:
        """Keeps what has been made; in the transaction that records the thing itself."""
        requests.made(self.key, Made(kind, thing_id))

    def removed(self, kind: str) -> None:
        """Says that it has been removed again; in the transaction that forgets the thing itself."""
        requests.removed(self.key, kind)

    def undo(self, failure: str, doubt: str) -> None:
        """Says that what was made is to be removed, and with it the ``doubt`` that a call may have made."""
        requests.undo(self.store, self.key, failure, doubt)

    def undone(self) -> None:
        """Says that nothing is left of the request."""
        requests.undone(self.store, self.key)

    def answer_so_far(self) -> str:
        """What another server has answered to the same request meanwhile; inside the transaction of the change."""
        return requests.answer_of(self.store, self.key)

    def answered(self, answer: str) -> None:
        """Keeps the answer; in the transaction of the change, where there is one."""
        with self.store.transaction():
            requests.finish(self.key, answer)


def once(
    store: Store,
    caller: Identity,
    request_id: str,
    request: Message,
    run: Callable[[Attempt], str],
    *,
    lasting: bool = False,
) -> str:
    """The answer of ``run``, or that of an earlier request of the same caller and id.

    A ``lasting`` request makes things at a cloud before it has an answer: it is kept whole, without secrets, so that
    :mod:`bridgx_server.provisioning.unfinished` can finish it when it is cut off and nobody repeats it.

    Raises:
        Conflict: the id was used with other parameters.
        InvalidField: the id is too long.
    """
    if len(request_id) > 64:
        raise InvalidField("request_id", "must have at most 64 characters")
    operation = type(request).__name__.removesuffix("Request")
    attempt = Attempt(store, caller.name, caller.key, request_id or f"made-{uuid.uuid4()}", operation)
    payload = json.dumps({"caller": caller.name, "request": json_format.MessageToDict(request)}) if lasting else ""
    with one_at_a_time(attempt):
        earlier = requests.begin(
            store, attempt.key, requests.fingerprint_of(request, f"{caller.key}/{attempt.request_id}"), payload
        )
        if earlier is not None and earlier.answer:
            return earlier.answer
        return attempted(attempt, run)


def attempted(attempt: Attempt, run: Callable[[Attempt], str]) -> str:
    """The answer of ``run``; why it failed is kept, unless nothing is left of it."""
    try:
        return run(attempt)
    except BridgXError as error:
        requests.fail(attempt.store, attempt.key, error.message)
        requests.abandon(attempt.store, attempt.key)
        raise
    except ProviderError as error:
        requests.fail(attempt.store, attempt.key, str(error))
        if error.kind not in DOUBTFUL:
            requests.abandon(attempt.store, attempt.key)
        raise


@contextlib.contextmanager
def one_at_a_time(attempt: Attempt) -> Iterator[None]:
    """Repetitions of one request wait for each other, in this process."""
    key = (attempt.owner, attempt.request_id, attempt.operation)
    with _table:
        lock = _locks.get(key)
        if lock is None:
            lock = _locks[key] = _Lock()
    with lock.lock:
        yield
