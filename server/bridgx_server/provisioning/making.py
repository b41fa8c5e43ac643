"""How a request for a network makes its things at a cloud, one after another, and removes them again.

Each is written down before the next is asked for, and with it until when a call may have had its effect, so that whoever
repeats, finishes or undoes the request knows what there may be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bridgx_server.providers.base import Provider
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.provisioning.once import DOUBTFUL, WITHOUT_EFFECT, Attempt
from bridgx_server.provisioning.visibility import ABSENCES, READY_TIMEOUT, NotReadyYet, Patience
from bridgx_server.store import networks
from bridgx_server.store.database import Store
from bridgx_server.store.requests import Made, Progress

VPC, SUBNET, GROUP = "vpc", "subnet", "security_group"  # what a request makes, in this order
WORDS = {VPC: "VPC", SUBNET: "subnet", GROUP: "security group"}

Left = list[tuple[str, ProviderError]]


@dataclass(frozen=True)
class Place:
    """Where things are made. ``vpc_id`` is empty where the request makes the VPC itself."""

    account_id: int
    region_id: str
    vpc_id: str = ""


@dataclass(frozen=True)
class Step:
    """One thing that a request makes.

    ``create`` asks the cloud for it, ``find`` looks for what an earlier such call has made (empty: nothing is shown), and
    ``write`` records it, inside the transaction in which the request keeps it. ``named_at`` is when the newest of what the
    call names was made, in ms.
    """

    create: Callable[[], str]
    find: Callable[[], str]
    write: Callable[[str], None]
    named_at: int = 0


@dataclass
class _Believing:
    """Counts answers that do not know a thing, until they are believed: several in a row, the last not before a time."""

    store: Store
    believed_at: int
    absences: int = field(default=0)

    def absent(self, asked_at: int) -> bool:
        """Whether an absence is believed with this one, in the answer to a question of that time (ms)."""
        self.absences += 1
        return self.absences >= ABSENCES and asked_at >= self.believed_at


@dataclass(frozen=True)
class Making:
    """One attempt at a request. ``steps`` are what it makes, by kind and in order."""

    store: Store
    patience: Patience
    provider: Provider
    place: Place
    steps: Mapping[str, Callable[[], Step]]
    attempt: Attempt

    def make(self, kind: str) -> str:
        """Makes a thing, unless the request has made it already, and returns its id; raises ProviderError."""
        known = self.attempt.progress.id_of(kind)
        if known:
            return known
        step = self.steps[kind]()
        thing_id = self.patience.repeat(lambda: self._ask(kind, step), young_for=self.young_for(step.named_at))
        self._write(kind, step, thing_id)
        return thing_id

    def young_for(self, made_at: int) -> float:
        """For how many seconds more a cloud may not know what was made at that time (ms)."""
        return max((made_at - self.store.now()) / 1000 + self.patience.visibility, 0.0)

    def _ask(self, kind: str, step: Step) -> str:
        """The id of what one call makes, or one before it has made."""
        before = self.attempt.progress
        if before.doubt == kind and not self.provider.limits.network_tokens:
            found = self._look(kind, step, before)
            if found:
                return found
        repeatable = self.provider.limits.network_tokens
        self.attempt.making(kind, int(self.patience.answer * 1000), repeatable=repeatable)
        try:
            return step.create()
        except ProviderError as error:
            if error.kind in DOUBTFUL:
                self.attempt.ended(kind, self.store.now())  # it may have had its effect up to this moment
            else:
                # Refused: what may have been made by a call before it that had no answer is as old as it was.
                self.attempt.ended(before.doubt if repeatable else "", before.effect_until)
            raise

    def _look(self, kind: str, step: Step, before: Progress) -> str:
        """What a call without an answer has made; empty when it is believed that it made nothing. Raises ProviderError."""
        believing = _Believing(self.store, self._believed_at(before))

        def look() -> str:
            asked_at = self.store.now()
            found = step.find()
            if found or believing.absent(asked_at):
                return found
            what = f"the cloud does not show yet whether a {WORDS[kind]} was made by a call that had no answer"
            raise ProviderError(ErrorClass.CONFLICT, what, provider=self.provider.name)

        return self.patience.repeat(look, within=self._within(before))

    def _write(self, kind: str, step: Step, thing_id: str) -> None:
        with self.store.transaction():
            step.write(thing_id)
            self.attempt.made(kind, thing_id)

    # The way back.

    def went_back(self) -> bool:
        """Removes what an earlier attempt was to remove and could not; True where the request is not to begin anew.

        One whose caller is gone is undone too if it failed, which the caller was told, or if it has no id: nobody could ever
        get its answer, and the caller may have made another in its place.

        Raises:
            ProviderError: something still cannot be removed.
        """
        attempt, progress = self.attempt, self.attempt.progress
        if attempt.orphaned and progress.failure and not progress.undoing:
            doubt = progress.doubt or next((kind for kind in self.steps if not progress.id_of(kind)), "")
            attempt.undo(progress.failure, doubt)
        elif attempt.orphaned and not attempt.named and not progress.undoing:
            attempt.undo("it was cut off, and its caller had given it no request_id to repeat it with", progress.doubt)
        if not attempt.progress.undoing:
            return False
        left = self._undo()
        if left:
            raise told(left[0][1], "what an earlier attempt has made is to be removed first", left)
        return attempt.orphaned

    def undo(self, failure: ProviderError) -> Left:
        """Removes what the request has made, the last thing first; returns what is left, and why."""
        self.attempt.undo(str(failure), self.attempt.progress.doubt)
        return self._undo()

    def _undo(self) -> Left:
        left: Left = []
        doubt = self.attempt.progress.doubt
        if doubt:
            try:
                self._find_out(doubt)
            except ProviderError as error:
                if not self._tells_nothing_was_made(error):
                    left.append((f"a {WORDS[doubt]} that may have been made", error))
        for made in reversed(self.attempt.progress.made):
            try:
                self._remove(made)
            except ProviderError as error:
                left.append((f"{WORDS[made.kind]} {made.id}", error))
        if not left:
            self.attempt.undone()
        return left

    def _tells_nothing_was_made(self, error: ProviderError) -> bool:
        """Whether a refusal, when it was to be found out what there is, says that there is nothing.

        One of a lookup never does. Where the call itself is repeated under its token, one that concerns the caller does not.
        """
        about_caller = (ErrorClass.BAD_CREDENTIALS, ErrorClass.PERMISSION_DENIED)
        repeated = self.provider.limits.network_tokens and not isinstance(error, NotReadyYet)
        return repeated and error.kind in WITHOUT_EFFECT and error.kind not in about_caller

    def _find_out(self, kind: str) -> None:
        """Learns what a call without an answer has made: by making it again under its token, or by looking for it."""
        if self.provider.limits.network_tokens:
            self.make(kind)
            return
        step = self.steps[kind]()
        found = self._look(kind, step, self.attempt.progress)
        if found:
            self._write(kind, step, found)

    def _remove(self, made: Made) -> None:
        before = self.attempt.progress
        believing = _Believing(self.store, self._believed_at(before))
        self.attempt.asking()

        def delete() -> None:
            asked_at = self.store.now()
            try:
                self._delete(made)
            except ProviderError as error:
                if error.kind is not ErrorClass.NOT_FOUND:
                    raise
                if not believing.absent(asked_at):
                    what = "the cloud does not know it, which may only be too new; it is removed when that is sure"
                    raise ProviderError(ErrorClass.CONFLICT, what, provider=self.provider.name) from None

        self.patience.repeat(delete, within=self._within(before))
        forget = {GROUP: networks.remove_group, SUBNET: networks.remove_subnet, VPC: networks.remove_vpc}[made.kind]
        with self.store.transaction():
            forget(self.store, made.id, self.place.account_id)
            self.attempt.removed(made.kind)

    def _delete(self, made: Made) -> None:
        region_id, vpc_id = self.place.region_id, self.place.vpc_id or self.attempt.progress.id_of(VPC)
        if made.kind == GROUP:
            self.provider.delete_security_group(region_id, made.id)
        elif made.kind == SUBNET:
            self.provider.delete_subnet(region_id, vpc_id, made.id)
        else:
            self.provider.delete_vpc(region_id, made.id)

    def _believed_at(self, progress: Progress) -> int:
        """From when on (ms) everything that the request has made is seen, so that an absence is one."""
        return progress.effect_until + int(self.patience.visibility * 1000)

    def _within(self, progress: Progress) -> float:
        """The bound of a wait in which an absence comes to be believed."""
        return READY_TIMEOUT + self.young_for(progress.effect_until)


def told(error: ProviderError, what: str, left: Sequence[tuple[str, ProviderError]]) -> ProviderError:
    """The failure again, with what it means for the whole."""
    rest = "all that was made has been removed"
    if left:
        rest = f"could not be removed again: {'; '.join(f'{thing}: {why.message}' for thing, why in left)}"
    whole = error.altered(message=f"{what}: {error.message}; {rest}")
    return NotReadyYet(whole, error.retry_after) if isinstance(error, NotReadyYet) else whole
