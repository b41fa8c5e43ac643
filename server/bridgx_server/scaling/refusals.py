"""What it means that a cloud does not delete a machine, and what is said of it.

Such a machine is what it was: it runs, or never came to run, and is billed. One that a shrink has chosen is given back; one
that nobody wants is asked about again, the more rarely the less that can help.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.scaling import outcome
from bridgx_server.store.deletions import Refusal
from bridgx_server.store.instances import Tended

# Refusals that hold until someone does something, or time passes: asking again at once can only fail again.
FOR_GOOD = (
    ErrorClass.NOT_RELEASABLE,
    ErrorClass.BAD_CREDENTIALS,
    ErrorClass.PERMISSION_DENIED,
    ErrorClass.INVALID_PARAMETER,
    ErrorClass.INSUFFICIENT_BALANCE,
    ErrorClass.QUOTA_EXCEEDED,
)
ASK_PAID_AGAIN = 3600.0  # seconds until a cloud is asked again to delete what is paid for in advance
ASK_AGAIN = 60.0  # seconds until it is asked again where a permission or a protection stands against it
MAX_NAMED = 10  # machines that a reason names


def refusal_of(error: ProviderError) -> Refusal:
    """What is written down about a machine that was not deleted."""
    return Refusal(outcome.REASONS[error.kind], error.told[: outcome.LONGEST_REASON])


def ask_again_at(reason: str, now: int) -> int:
    """When the cloud is asked again about an unwanted machine (ms); ``reason`` is that of the last refusal."""
    paid = reason == outcome.REASONS[ErrorClass.NOT_RELEASABLE]
    return now + int(1000 * (ASK_PAID_AGAIN if paid else ASK_AGAIN))


def failure_of(refused: Mapping[str, ProviderError], of: int) -> dict[str, object]:
    """The columns of a chunk some of whose ``of`` machines the cloud did not delete; ``refused`` by their ids."""
    first = next(iter(refused.values()))
    by_kind: dict[ErrorClass, dict[str, ProviderError]] = {}
    for instance_id, error in refused.items():
        by_kind.setdefault(error.kind, {})[instance_id] = error
    parts = []
    for errors in by_kind.values():
        messages = list(dict.fromkeys(error.message.strip().rstrip(".") for error in errors.values()))
        more = f" and {len(messages) - 2} more reasons like it" if len(messages) > 2 else ""
        told = " / ".join(messages[:2])
        parts.append(f"{told}{more} ({names(list(errors))}). {next(iter(errors.values())).traits.next_step}")
    return {
        **outcome.failure_of(first),
        "reason": f"{len(refused)} of {of} machines were not deleted: {' '.join(parts)}"[: outcome.LONGEST_REASON],
    }


def failure_of_rows(machines: Sequence[Tended], of: int) -> dict[str, object]:
    """The same from what was written down about machines."""
    told = list(dict.fromkeys(machine.deletion_refusal for machine in machines))[:2]
    named = names([machine.instance_id for machine in machines])
    reason = f"{len(machines)} of {of} machines were not deleted ({named}): {' / '.join(told)}"
    return {"error_class": machines[0].deletion_refused, "reason": reason[: outcome.LONGEST_REASON]}


def left_billed(machines: Sequence[Tended]) -> str:
    """What is said of machines that a task gave up, and that the cloud has not deleted."""
    several = len(machines) > 1
    count = f"{len(machines)} machines that were given up were" if several else "1 machine that was given up was"
    reasons = list(dict.fromkeys(machine.deletion_refusal for machine in machines))
    named = names([machine.instance_id for machine in machines])
    return f"{count} not deleted and {'go' if several else 'goes'} on being billed: {named}; {reasons[0]}"


def not_answered(machines: Sequence[Tended]) -> str:
    """What is said of machines that a task gave up, and of which the cloud has not said what becomes of them."""
    several = len(machines) > 1
    count = f"{len(machines)} machines that were" if several else "1 machine that was"
    named = names([machine.instance_id for machine in machines])
    return (
        f"the cloud has not said yet whether it deletes {count} given up and {'are' if several else 'is'} paid for in "
        f"advance: {named}; it goes on being asked"
    )


def names(instance_ids: Sequence[str]) -> str:
    """Ids in a sentence, not all of very many."""
    more = f" and {len(instance_ids) - MAX_NAMED} more" if len(instance_ids) > MAX_NAMED else ""
    return ", ".join(instance_ids[:MAX_NAMED]) + more
