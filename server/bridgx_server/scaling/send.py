"""One chunk of an expand against the cloud: ask for its machines, once, whatever became of earlier attempts to ask.

PLANNED: the cloud has surely not been asked. SENT: it may have been, and may have done it; then machines are looked for
by the chunk's tag first, and the call is repeated only under the same token. What the cloud refused outright goes back
to PLANNED, ends as FAILED, or moves to later chunks.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from bridgx_server.providers.base import Provider
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.scaling import faultpoints, fresh, outcome, placing, reassign, tags
from bridgx_server.scaling.engine import Engine, Template
from bridgx_server.scaling.orders import order_for
from bridgx_server.scaling.turns import wait_for_turn
from bridgx_server.store import chunks, instances, leases, watches
from bridgx_server.store.chunks import Chunk
from bridgx_server.store.leases import Lease

CONFLICT_ATTEMPTS = 10
UNKNOWN_ATTEMPTS = 3
LOOKUPS = 5  # answers without a machine, before it is asked for under another token: one may leave some out
WAITING = (ErrorClass.THROTTLED,)
DOUBTFUL = (ErrorClass.UNAVAILABLE, ErrorClass.TIMEOUT_UNKNOWN, ErrorClass.UNKNOWN)


def send(engine: Engine, lease: Lease, template: Template, chunk: Chunk, *, canceled: bool = False) -> None:
    """Brings the chunk as far as it goes now; a canceled task's is not asked for again.

    Raises:
        LeaseLost: another worker holds the task.
    """
    provider = engine.clouds.provider(template.account_id)
    known: Sequence[str] = ()
    looked_at: int | None = None
    if chunk.status == chunks.SENT:
        looked_at = engine.now()
        try:
            known = _find(engine, provider, lease, template, chunk)
        except ProviderError as error:
            _look_later(engine, lease, chunk, error)
            return
        if len(known) >= chunk.asked:
            _accept(engine, lease, template, chunk, known, "", None)
            return
        remembered = _token_holds(engine, provider, chunk)
        if canceled or not remembered or _tired(engine, chunk):
            ask_anew = not remembered and not canceled
            _believe_lookup(engine, lease, template, chunk, known, looked_at, ask_anew=ask_anew)
            return
    # The turn comes first: a chunk that waits for it has surely not been asked for.
    turn = contextlib.ExitStack()
    try:
        turn.enter_context(engine.turn(lease, _flow(chunk), template, provider.limits.create_api, chunk.asked))
    except ProviderError as error:
        wait_for_turn(engine, lease, chunk, error)
        return
    with turn:
        marked = _mark_sent(engine, lease, template, chunk)
        if marked is None:
            return
        chunk = marked
        try:
            request = order_for(engine, template, chunk)
            provider.check_machines(request)
            created = provider.create_machines(request)
        except ProviderError as error:
            _refused(engine, lease, template, chunk, error, known, looked_at)
            return
    engine.reach(faultpoints.EXPAND_CREATED)
    ids = tuple(dict.fromkeys((*created.instance_ids, *known)))
    _accept(engine, lease, template, chunk, ids, created.request_id, created.shortfall)


def _mark_sent(engine: Engine, lease: Lease, template: Template, chunk: Chunk) -> Chunk | None:
    """Writes that the cloud is about to be asked; returns the chunk as it was before, placed where it is asked for.

    None, and the cloud must not be asked, when another step of the task has settled it meanwhile.
    """
    engine.reach(faultpoints.EXPAND_BEFORE_SENT)
    with engine.store.transaction():
        leases.hold(engine.store, lease)
        current = chunks.get(engine.store, chunk.id)
        if current is not None and not current.sent_at:
            place = placing.better(engine, template, current)
            current = current if place is None else chunks.place(current, place)
        now = engine.now()
        effect_until = now + int(engine.settings.answer * 1000)
        if current is None or current.status != chunk.status or not chunks.mark_sent(current, now, effect_until):
            current = None
    engine.reach(faultpoints.EXPAND_SENT)
    return current


def _flow(chunk: Chunk) -> str:
    return f"task-{chunk.task_id}"


def _find(engine: Engine, provider: Provider, lease: Lease, template: Template, chunk: Chunk) -> tuple[str, ...]:
    """All machines of the chunk that any lookup has shown: they are recorded at once, and none is forgotten again."""
    with engine.calling(lease, _flow(chunk)):
        found = provider.find_machines(template.region_id, tags.find_chunk(chunk))
    recorded = instances.of_chunk(engine.store, chunk.id)
    ids = tuple(dict.fromkeys((*(machine.instance_id for machine in found), *recorded)))
    if len(ids) > len(recorded):
        with engine.store.transaction():
            leases.hold(engine.store, lease)
            now = engine.now()
            watches.wake(template.account_id, template.region_id, now)
            instances.record(_origin(template, chunk), ids, now)
    return ids


def _token_holds(engine: Engine, provider: Provider, chunk: Chunk) -> bool:
    age = engine.now() - chunk.sent_at
    return provider.limits.tokens and age < engine.settings.token_life * 1000


def _tired(engine: Engine, chunk: Chunk) -> bool:
    """Whether the call has been repeated for long enough. Time in which no worker repeated it does not count."""
    if chunk.error_class == outcome.REASONS[ErrorClass.UNKNOWN] and chunk.attempts >= UNKNOWN_ATTEMPTS:
        return True
    return bool(chunk.doubted_at) and chunk.last_sent_at - chunk.doubted_at > engine.settings.give_up * 1000


def _believe_lookup(
    engine: Engine,
    lease: Lease,
    template: Template,
    chunk: Chunk,
    known: Sequence[str],
    looked_at: int,
    *,
    ask_anew: bool,
) -> None:
    """Only the tag can say what happened: what no answer shows, the last of them when all can be seen, does not exist."""
    now = engine.now()
    wait = int(engine.settings.visibility * 1000)
    if chunk.lookups < LOOKUPS - 1 or looked_at - chunk.effect_until < wait:
        with engine.store.transaction():
            leases.hold(engine.store, lease)
            at = max(chunk.effect_until + wait, now + wait // 10)
            chunks.update(chunk.id, lookups=chunk.lookups + 1, blind_since=0, next_at=at)
        return
    missing = ProviderError(
        ErrorClass.TIMEOUT_UNKNOWN, f"the cloud gave no answer and shows {len(known)} of {chunk.asked} machines."
    )
    failure = outcome.failure_of(missing)
    if chunk.error_class:
        failure = {"error_class": chunk.error_class, "reason": chunk.reason}
    with engine.store.transaction():
        leases.hold(engine.store, lease)
        changes: dict[str, object] = dict(failure)
        if ask_anew:
            reassign.plan(engine, chunk, [chunk.asked - len(known)], reassign.place_of(chunk), now)
            changes["moved"] = chunk.moved + chunk.asked - len(known)
        if known:
            changes.update(status=chunks.ACCEPTED, accepted_at=now)
            watches.wake(template.account_id, template.region_id, now)
            instances.record(_origin(template, chunk), known, now)
        else:
            changes.update(status=chunks.FAILED, finished_at=now)
        chunks.update(chunk.id, **changes)


def _accept(
    engine: Engine,
    lease: Lease,
    template: Template,
    chunk: Chunk,
    ids: Sequence[str],
    request_id: str,
    shortfall: ProviderError | None,
) -> None:
    with engine.store.transaction():
        leases.hold(engine.store, lease)
        now = engine.now()
        changes: dict[str, object] = {"status": chunks.ACCEPTED, "accepted_at": now, "vendor_request_id": request_id}
        if len(ids) < chunk.asked:
            missing = shortfall or ProviderError(
                ErrorClass.OUT_OF_STOCK, f"the cloud delivered {len(ids)} of {chunk.asked} machines."
            )
            changes.update(outcome.failure_of(missing))
            changes["moved"] = reassign.after_part(engine, template, chunk, chunk.asked - len(ids), missing, now)
        else:
            # What earlier calls met is no reason any more.
            changes.update(error_class="", reason="", vendor_code="")
            placing.forget(engine, template, chunk)
        chunks.update(chunk.id, **changes)
        watches.wake(template.account_id, template.region_id, now)
        instances.record(_origin(template, chunk), ids, now)
    engine.reach(faultpoints.EXPAND_ACCEPTED)


def _refused(
    engine: Engine,
    lease: Lease,
    template: Template,
    chunk: Chunk,
    error: ProviderError,
    known: Sequence[str],
    looked_at: int | None,
) -> None:
    """The call failed: say what that means for the chunk.

    ``looked_at`` is when machines of earlier calls were looked for (ms); None: there was no earlier call in doubt.
    """
    now = engine.now()
    again_at = now + int(error.retry_after * 1000) if error.retry_after else engine.backoff(chunk.sent_at or now, now)
    if error.kind in DOUBTFUL:
        with engine.store.transaction():
            leases.hold(engine.store, lease)
            # It ended now: it may have had its effect up to this moment.
            doubt = {"effect_until": now, "doubted_at": chunk.doubted_at or now}
            chunks.update(chunk.id, next_at=again_at, **doubt, **outcome.failure_of(error))
        return
    if error.kind in WAITING:
        # An outright refusal: if nothing was in doubt before, nothing is now.
        status = chunks.PLANNED if looked_at is None else chunks.SENT
        with engine.store.transaction():
            leases.hold(engine.store, lease)
            as_before = {"attempts": chunk.attempts, **_asked_before(chunk)}
            if looked_at is None:
                as_before["blind_since"] = chunk.blind_since  # throttling says nothing of the clock
            chunks.update(chunk.id, status=status, next_at=again_at, **as_before)
        return
    if looked_at is not None and looked_at - chunk.effect_until < engine.settings.visibility * 1000:
        # An earlier call may have made machines that cannot be seen yet: look again before this refusal is believed.
        # It made none itself, so what may be made is as old as it was.
        with engine.store.transaction():
            leases.hold(engine.store, lease)
            again_at = engine.backoff(chunk.last_sent_at, now, shortest=2.0)
            chunks.update(chunk.id, next_at=again_at, **_asked_before(chunk))
        return
    if fresh.doubted(error) and now < (
        unknown_until := fresh.unknown_until(engine.store, engine.settings.visibility, template, [chunk.subnet_id])
    ):
        _wait_until_known(engine, lease, chunk, error, min(again_at, unknown_until), in_doubt=looked_at is not None)
        return
    if known:
        _accept(engine, lease, template, chunk, known, error.request_id, error)
        return
    if _passes(engine, chunk, error, now):
        with engine.store.transaction():
            leases.hold(engine.store, lease)
            # In doubt it stays: some clouds answer so as long as an earlier call under the token is at work.
            status = chunks.PLANNED if looked_at is None else chunks.SENT
            told: dict[str, object] = {}
            if error.kind is ErrorClass.CLOCK_SKEW:
                told = {"blind_since": _skewed_since(chunk, now), **outcome.failure_of(error)}
            chunks.update(chunk.id, status=status, next_at=again_at, **told, **_asked_before(chunk))
        return
    with engine.store.transaction():
        leases.hold(engine.store, lease)
        now = engine.now()
        moved = reassign.after_refusal(engine, template, chunk, error, now)
        failure = outcome.failure_of(error)
        chunks.update(chunk.id, status=chunks.FAILED, finished_at=now, moved=moved, **failure)


def _wait_until_known(
    engine: Engine, lease: Lease, chunk: Chunk, error: ProviderError, again_at: int, *, in_doubt: bool
) -> None:
    """The cloud denies a network that was made a moment ago: the call is repeated, and counts as no attempt."""
    with engine.store.transaction():
        leases.hold(engine.store, lease)
        status = chunks.SENT if in_doubt else chunks.PLANNED
        as_before = {"attempts": chunk.attempts, **_asked_before(chunk)}
        chunks.update(chunk.id, status=status, next_at=again_at, **as_before, **outcome.failure_of(error))


def _passes(engine: Engine, chunk: Chunk, error: ProviderError, now: int) -> bool:
    """Whether the same call may succeed later, after an outright refusal."""
    if error.kind is ErrorClass.CLOCK_SKEW:
        # Nothing is wrong with the order: it is repeated for as long as one that the cloud does not answer.
        return now - _skewed_since(chunk, now) <= engine.settings.give_up * 1000
    return error.kind is ErrorClass.CONFLICT and chunk.attempts < CONFLICT_ATTEMPTS


def _skewed_since(chunk: Chunk, now: int) -> int:
    """Since when (ms) the cloud has refused the chunk's calls for the clock; ``now`` where it did not before."""
    skewed = chunk.error_class == outcome.REASONS[ErrorClass.CLOCK_SKEW]
    return chunk.blind_since if skewed and chunk.blind_since else now


def _asked_before(chunk: Chunk) -> dict[str, object]:
    """The columns of a call that was refused outright, and so had no effect, as they were before it."""
    return {"last_sent_at": chunk.last_sent_at, "effect_until": chunk.effect_until}


def _look_later(engine: Engine, lease: Lease, chunk: Chunk, error: ProviderError) -> None:
    """The lookup itself failed: nothing is known, so nothing is decided, until it has failed for very long."""
    now = engine.now()
    with engine.store.transaction():
        leases.hold(engine.store, lease)
        blind_since = chunk.blind_since or now
        if error.kind not in WAITING and now - blind_since > 2 * engine.settings.give_up * 1000:
            unseen = "; whether machines were made is not known, and is found out when the cloud can be asked again"
            failure = outcome.failure_of(error)
            failure["reason"] = f"{failure['reason']}{unseen}"
            chunks.update(chunk.id, status=chunks.FAILED, finished_at=now, **failure)
        else:
            chunks.update(chunk.id, next_at=engine.backoff(blind_since, now), blind_since=blind_since)


def _origin(template: Template, chunk: Chunk) -> instances.Origin:
    return instances.Origin(
        provider=template.provider,
        account_id=template.account_id,
        account_key=template.account_key,
        region_id=template.region_id,
        zone_id=chunk.zone_id,
        cluster_id=template.cluster_id,
        cluster_name=template.cluster_name,
        task_id=chunk.task_id,
        chunk_id=chunk.id,
        instance_type=chunk.instance_type,
        image_id=template.image_id,
        charge_type=template.charge.charge_type,
    )
