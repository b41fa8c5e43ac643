"""A call that a caller repeats is done once, and a call that was cut off is continued by its repetition."""

from __future__ import annotations

import contextlib
import hashlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from google.protobuf import json_format
from google.protobuf.message import Message

from bridgx_server.errors import BridgXError, CutOff, InvalidField
from bridgx_server.identities.identity import Identity
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.provisioning.claims import Claims, in_progress
from bridgx_server.provisioning.visibility import NotReadyYet
from bridgx_server.store import chunks, requests
from bridgx_server.store.database import Store
from bridgx_server.store.leases import Lease, LeaseLost
from bridgx_server.store.requests import Answered, Key, Made, Progress

log = structlog.get_logger("bridgx.once")

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
UNNAMED = "~"  # begins the id of a request whose caller gave it none; no id of a caller's has it


@dataclass(frozen=True)
class Attempt:
    """One run of a call. ``token`` is the same in every attempt of the same request, until what it made was undone.

    It holds the request by ``lease``, without which it writes nothing: whatever writes raises LeaseLost where another attempt
    has taken the request over. ``caller`` is the caller's name. ``orphaned`` says that its caller is gone: what is being
    undone is not begun anew.
    """

    claims: Claims
    caller: str
    key: Key
    lease: Lease
    orphaned: bool = False

    @property
    def store(self) -> Store:
        """Where the request is written down."""
        return self.claims.store

    @property
    def token(self) -> str:
        """A lower-case UUID for the call to a cloud."""
        return self.token_of("")

    def token_of(self, step: str) -> str:
        """A lower-case UUID for one of several calls to a cloud."""
        namespace = uuid.UUID(chunks.installation(self.store))
        name = f"{self.key.caller}/{self.key.operation}/{self.key.request_id}/{step}"
        # A cloud answers a token that it knows with the thing that was made under it, removed or not.
        generation = self.progress.generation
        return str(uuid.uuid5(namespace, f"{name}/{generation}" if generation else name))

    @property
    def progress(self) -> Progress:
        """What the request has made at a cloud so far."""
        return requests.progress_of(self.store, self.key)

    def hold(self) -> None:
        """Keeps the request until the transaction ends, inside which this must be; before anything that is not its own."""
        requests.hold(self.store, self.lease)

    @property
    def named(self) -> bool:
        """Whether its caller can repeat it: it came with an id of the caller's."""
        return not self.key.request_id.startswith(UNNAMED)

    def asking(self) -> None:
        """Says that the cloud is about to be asked to change or remove something."""
        requests.asking(self.store, self.lease)

    def making(self, kind: str, answer_ms: int, *, repeatable: bool) -> None:
        """Says that the cloud is about to be asked for a thing of that kind, by a call that lasts that long at most.

        Unless it is ``repeatable``, and so has its effect once though two attempts make it, no other attempt goes on before
        that call has surely had its effect.
        """
        unsettled_ms = 0 if repeatable else self.claims.unsettled_ms
        requests.making(self.store, self.lease, kind, self.store.now() + answer_ms, unsettled_ms)

    def ended(self, doubt: str, effect_until: int) -> None:
        """Says that the call has ended without a thing, and what may have been made until then (ms) all the same."""
        requests.making(self.store, self.lease, doubt, effect_until, 0)

    def made(self, kind: str, thing_id: str) -> None:
        """Keeps what has been made; in the transaction that records the thing itself."""
        try:
            requests.made(self.store, self.lease, Made(kind, thing_id))
        except LeaseLost:
            # Nearly always what the other attempt has found, or finds, there. If not, this is all that is known of it.
            log.warning("made while another took over", kind=kind, id=thing_id, request_id=self.key.request_id)
            raise

    def removed(self, kind: str) -> None:
        """Says that it has been removed again; in the transaction that forgets the thing itself."""
        requests.removed(self.store, self.lease, kind)

    def undo(self, failure: str, doubt: str) -> None:
        """Says that what was made is to be removed, and with it the ``doubt`` that a call may have made."""
        requests.undo(self.store, self.lease, failure, doubt)

    def undone(self) -> None:
        """Says that nothing is left of the request."""
        requests.undone(self.store, self.lease)

    def answered(self, answer: str) -> None:
        """Keeps the answer, which ends the attempt; in the transaction of the change, where there is one."""
        with self.store.transaction():
            requests.finish(self.store, self.lease, answer)


def once(
    claims: Claims,
    caller: Identity,
    request_id: str,
    request: Message,
    run: Callable[[Attempt], str],
    *,
    lasting: bool = False,
) -> str:
    """The answer of ``run``, or that of an earlier request of the same caller and id, at whichever server it was.

    A ``lasting`` request makes things at a cloud before it has an answer: it is kept whole, without secrets, so that
    :mod:`bridgx_server.provisioning.unfinished` can finish it when it is cut off and nobody repeats it.

    Raises:
        Conflict: the id was used with other parameters.
        RequestInProgress: another attempt is at work on it.
        CutOff: the same of one without an id, which cannot be repeated; it is undone.
        InvalidField: the id is too long.
    """
    if len(request_id) > 64:
        raise InvalidField("request_id", "must have at most 64 characters")
    operation = type(request).__name__.removesuffix("Request")
    key = Key(caller.key, request_id or f"{UNNAMED}{uuid.uuid4()}", operation)
    payload = json.dumps({"caller": caller.name, "request": json_format.MessageToDict(request)}) if lasting else ""
    found = claims.claim(key, fingerprint_of(request, f"{caller.key}/{key.request_id}"), payload)
    if isinstance(found, Answered):
        return found.answer
    attempt = Attempt(claims, caller.name, key, found)
    try:
        return attempted(attempt, run)
    except LeaseLost:
        # Whoever has taken the request over may have come to its end.
        now = requests.look(claims.store, key)
        if isinstance(now, Answered):
            return now.answer
        if attempt.named:
            raise in_progress(key) from None
        # A repetition would be another request, and whoever has taken this one over undoes it.
        raise CutOff(undone=lasting) from None


def attempted(attempt: Attempt, run: Callable[[Attempt], str]) -> str:
    """The answer of ``run``; why it failed is kept, unless nothing is left of it. Raises LeaseLost."""
    with attempt.claims.working(attempt.lease):
        try:
            return run(attempt)
        except BridgXError as error:
            requests.fail(attempt.store, attempt.lease, error.message, doubtful=False)
            raise
        except NotReadyYet as error:
            # Nothing has failed: whoever repeats it, or finishes it without its caller, goes on. Where nobody can, it goes back.
            error.repeatable = attempt.named
            if attempt.named:
                requests.release(attempt.store, attempt.lease)
            else:
                requests.fail(attempt.store, attempt.lease, str(error), doubtful=True)
            raise
        except ProviderError as error:
            requests.fail(attempt.store, attempt.lease, str(error), doubtful=error.kind in DOUBTFUL)
            raise
        except LeaseLost:
            log.warning("request taken over", operation=attempt.key.operation, request_id=attempt.key.request_id)
            raise
        except Exception:
            # It may be repeated at once, or is undone where it has no id. If this fails too, the lease runs out.
            with contextlib.suppress(Exception):
                requests.release(attempt.store, attempt.lease)
            raise


def fingerprint_of(request: Message, salt: str) -> str:
    """A short text that differs where requests do; the request id is no part of it.

    Secrets in the request, which its proto marks with ``debug_redact``, make it slow to compute: who has the table
    cannot try many passwords. ``salt`` must be the same for the same request.
    """
    copy = type(request)()
    copy.CopyFrom(request)
    if "request_id" in copy.DESCRIPTOR.fields_by_name:
        copy.ClearField("request_id")
    data = copy.SerializeToString(deterministic=True)
    if any(field.GetOptions().debug_redact and value for field, value in copy.ListFields()):
        return hashlib.scrypt(data, salt=salt.encode(), n=2**14, r=8, p=1, dklen=32).hex()
    return hashlib.sha256(data).hexdigest()
