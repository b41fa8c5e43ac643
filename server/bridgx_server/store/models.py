"""The tables. Only the other modules of this package use them; everyone else gets values.

Times are whole milliseconds since the epoch, UTC (columns that end in ``_at``); 0 or NULL where nothing has happened.
Columns that end in ``_json`` hold JSON text. Secrets are sealed by :mod:`bridgx_server.store.secrets`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from peewee import (
    AutoField,
    BigAutoField,
    BigIntegerField,
    BooleanField,
    CharField,
    DatabaseProxy,
    DoubleField,
    IntegerField,
    Model,
    TextField,
)

_thread = threading.local()


class _CurrentDatabase(DatabaseProxy):
    """The database whose connection this thread is inside of; so several stores may live in one process."""

    @property
    def obj(self) -> Any:
        return getattr(_thread, "database", None)

    @obj.setter
    def obj(self, database: Any) -> None:
        pass  # the base class sets None when it is made


@contextlib.contextmanager
def using(database: Any) -> Iterator[None]:
    """Lets the tables below be those of this database, in this thread, for the block."""
    before = getattr(_thread, "database", None)
    _thread.database = database
    try:
        yield
    finally:
        _thread.database = before


class _Table(Model):
    class Meta:
        database = _CurrentDatabase()
        legacy_table_names = False


class AccountRow(_Table):
    """A cloud account. ``access_key`` is the account's name in the API, for good.

    ``cloud_key`` is the access key that is used at the cloud, where it is another; ``secret`` is its secret, since
    ``secret_at``. An ``ambient`` account uses the identity of the machine that the server runs on instead.
    ``cloud_account_id`` is the same for all access keys of one account at the cloud, as of ``cloud_account_at``, when it was
    last asked for; empty while it is not known.
    """

    id = AutoField()
    provider = CharField(max_length=32)
    name = CharField(max_length=128)
    access_key = CharField(max_length=128)
    secret = TextField()
    project_id = CharField(max_length=64, default="")
    created_at = BigIntegerField()
    created_by = CharField(max_length=128)
    cloud_key = CharField(max_length=128, default="")
    ambient = BooleanField(default=False)
    secret_at = BigIntegerField(default=0)
    cloud_account_id = CharField(max_length=64, default="")
    cloud_account_at = BigIntegerField(default=0)

    class Meta:
        table_name = "accounts"
        indexes = ((("provider", "access_key"), True), (("access_key",), False))


class ClusterRow(_Table):
    """A template. ``placements_json`` lists zone, subnet and type in order of preference.

    One that was deleted stays as a row without its password, for the history of its machines; ``deleted_at`` is 0 while
    it lives, so that a name is taken once among the living.
    """

    id = AutoField()
    name = CharField(max_length=128)
    provider = CharField(max_length=32)
    account_id = IntegerField(index=True)
    account_key = CharField(max_length=128)
    region_id = CharField(max_length=64)
    zone_id = CharField(max_length=64)
    instance_type = CharField(max_length=128)
    image_id = CharField(max_length=256)
    vpc_id = CharField(max_length=128)
    subnet_id = CharField(max_length=128)
    security_group_id = CharField(max_length=128)
    internet_charge_type = CharField(max_length=32)
    bandwidth_mbps = IntegerField()
    charge_type = CharField(max_length=16)
    period_unit = CharField(max_length=16)
    period = IntegerField()
    system_disk_category = CharField(max_length=64)
    system_disk_size_gib = IntegerField()
    data_disks_json = TextField()
    tags_json = TextField()
    placements_json = TextField()
    password = TextField()
    description = TextField()
    max_machines = IntegerField()
    termination_policy = CharField(max_length=16, default="random")
    created_at = BigIntegerField()
    created_by = CharField(max_length=128)
    deleted_at = BigIntegerField(default=0)
    deleted_by = CharField(max_length=128, default="")

    class Meta:
        table_name = "clusters"
        indexes = (
            (("name", "deleted_at"), True),
            (("account_key", "id"), False),
            (("deleted_at", "id"), False),
        )


class VpcRow(_Table):
    """A VPC that was made here, as the cloud last described it."""

    id = AutoField()
    vpc_id = CharField(max_length=128)
    provider = CharField(max_length=32)
    account_id = IntegerField(index=True)
    account_key = CharField(max_length=128)
    region_id = CharField(max_length=64)
    name = CharField(max_length=128)
    cidr_block = CharField(max_length=32)
    status = CharField(max_length=32)
    created_at = BigIntegerField()
    created_by = CharField(max_length=128)

    class Meta:
        table_name = "vpcs"
        indexes = (
            (("vpc_id", "account_id"), True),
            (("provider", "region_id", "id"), False),
            (("region_id", "id"), False),
            (("name",), False),
        )


class SubnetRow(_Table):
    """A subnet of a VPC that was made here."""

    id = AutoField()
    subnet_id = CharField(max_length=128)
    vpc_id = CharField(max_length=128)
    account_id = IntegerField()
    zone_id = CharField(max_length=64)
    name = CharField(max_length=128)
    cidr_block = CharField(max_length=32)
    status = CharField(max_length=32)
    is_default = BooleanField()
    available_ip_count = IntegerField()
    created_at = BigIntegerField()
    created_by = CharField(max_length=128)

    class Meta:
        table_name = "subnets"
        indexes = ((("subnet_id", "account_id"), True), (("vpc_id", "name"), False))


class SecurityGroupRow(_Table):
    """A security group of a VPC that was made here, with its rules as JSON."""

    id = AutoField()
    security_group_id = CharField(max_length=128)
    vpc_id = CharField(max_length=128)
    account_id = IntegerField()
    region_id = CharField(max_length=64)
    name = CharField(max_length=128)
    group_type = CharField(max_length=16)
    rules_json = TextField()
    created_at = BigIntegerField()
    created_by = CharField(max_length=128)

    class Meta:
        table_name = "security_groups"
        indexes = ((("security_group_id", "account_id"), True), (("vpc_id", "name"), False))


class TaskRow(_Table):
    """A piece of work on a cluster, and who holds it.

    ``queue_at`` is when a worker may take it; NULL once it has ended, so that ended tasks cost the queue nothing.
    ``fence`` rises at every claim; a writer with an older one writes nothing. ``wakes`` rises whenever something
    happened that the task waits for, so that a wake while it is held is not lost. ``termination_policy`` is how a shrink
    by count chooses; empty otherwise. With ``release_prepaid`` machines paid for in advance are given up in the cloud's way.
    """

    id = AutoField()
    name = CharField(max_length=256)
    action = CharField(max_length=16)
    status = CharField(max_length=16)
    phase = CharField(max_length=16)
    cluster_id = IntegerField()
    cluster_name = CharField(max_length=128)
    account_id = IntegerField()
    account_key = CharField(max_length=128)
    provider = CharField(max_length=32)
    asked = IntegerField()
    reason = TextField()
    error_class = CharField(max_length=32)
    cancel = CharField(max_length=8)
    termination_policy = CharField(max_length=16, default="")
    created_at = BigIntegerField()
    created_by = CharField(max_length=128)
    started_at = BigIntegerField(default=0)
    finished_at = BigIntegerField(default=0)
    queue_at = BigIntegerField(null=True)
    lease_owner = CharField(max_length=64, default="")
    lease_until = BigIntegerField(default=0)
    fence = BigIntegerField(default=0)
    wakes = BigIntegerField(default=0)
    release_prepaid = BooleanField(default=False)

    class Meta:
        table_name = "tasks"
        indexes = (
            (("queue_at", "lease_until"), False),
            (("cluster_id", "id"), False),
            (("cluster_name", "id"), False),
            (("account_key", "id"), False),
            (("account_id", "finished_at"), False),
        )


class ChunkRow(_Table):
    """The ledger: one call to the cloud, written before it is made.

    ``sent_at`` is when the cloud was first asked, ``last_sent_at`` when it was last asked, and ``effect_until`` until when
    that may still have made machines. ``doubted_at`` is when an outcome first was not known, ``blind_since`` since when
    no lookup of its machines has worked, or the clock is off for the cloud; 0: never. ``moved`` counts machines of
    ``asked`` that later chunks ask for again; ``generation`` 1 replaces machines that did not boot. ``token`` is set at
    planning and never made anew.
    """

    id = AutoField()
    task_id = IntegerField()
    position = IntegerField()
    action = CharField(max_length=16)
    placement = IntegerField()
    zone_id = CharField(max_length=64)
    subnet_id = CharField(max_length=128)
    instance_type = CharField(max_length=128)
    asked = IntegerField()
    moved = IntegerField(default=0)
    generation = IntegerField(default=0)
    status = CharField(max_length=16)
    token = CharField(max_length=64, unique=True)
    attempts = IntegerField(default=0)
    lookups = IntegerField(default=0)
    next_at = BigIntegerField(default=0)
    reason = TextField(default="")
    error_class = CharField(max_length=32, default="")
    vendor_code = CharField(max_length=128, default="")
    vendor_request_id = CharField(max_length=128, default="")
    planned_at = BigIntegerField()
    sent_at = BigIntegerField(default=0)
    last_sent_at = BigIntegerField(default=0)
    effect_until = BigIntegerField(default=0)
    doubted_at = BigIntegerField(default=0)
    blind_since = BigIntegerField(default=0)
    accepted_at = BigIntegerField(default=0)
    finished_at = BigIntegerField(default=0)

    class Meta:
        table_name = "chunks"
        indexes = ((("task_id", "position"), False),)


class InstanceRow(_Table):
    """A machine that a cloud has promised, from then on for ever.

    ``status`` is pending, running, deleting, deleted or lost. ``tend_at`` is when the cloud is to be asked about it
    next; NULL when its state is settled. ``created_at`` may be the cloud's own time, and ``recorded_at`` is that of the
    row, 0 for those of an older version. ``absences`` counts good answers in a row that did not hold it, the first of
    them at ``absent_at``. ``delete_chunk_id`` is set as soon as a shrink has chosen it; a ``protected`` one is never chosen.

    An ``unwanted`` one is to be deleted whatever else happens: it was given up, or its task was canceled. Where the cloud
    refuses that it is pending or running all the same, and ``deleting_at`` says since when it has been unwanted.
    ``deletion_refusal`` is why the cloud last refused to delete it, at ``deletion_refused_at``, and ``deletion_refused`` the
    word of ErrorReason for it; empty as soon as the cloud has agreed. ``charge_type`` is PostPaid, PrePaid or, where it is
    not known, empty; ``expires_at`` is when what was paid in advance ends, 0 where that is not known.
    """

    id = BigAutoField()
    instance_id = CharField(max_length=128)
    provider = CharField(max_length=32)
    account_id = IntegerField()
    account_key = CharField(max_length=128)
    region_id = CharField(max_length=64)
    zone_id = CharField(max_length=64)
    cluster_id = IntegerField()
    cluster_name = CharField(max_length=128)
    task_id = IntegerField()
    chunk_id = IntegerField()
    delete_chunk_id = IntegerField(null=True, index=True)
    instance_type = CharField(max_length=128)
    image_id = CharField(max_length=256)
    status = CharField(max_length=16)
    reason = TextField(default="")
    ip_inner = CharField(max_length=64, default="")
    ip_outer = CharField(max_length=64, default="")
    created_at = BigIntegerField()
    running_at = BigIntegerField(default=0)
    deleting_at = BigIntegerField(default=0)
    gone_at = BigIntegerField(default=0)
    delete_sent_at = BigIntegerField(default=0)
    tend_at = BigIntegerField(null=True)
    absences = IntegerField(default=0)
    absent_at = BigIntegerField(default=0)
    protected = BooleanField(default=False)
    recorded_at = BigIntegerField(default=0)
    unwanted = BooleanField(default=False)
    release_prepaid = BooleanField(default=False)
    deletion_refused = CharField(max_length=32, default="")
    deletion_refusal = TextField(default="")
    deletion_refused_at = BigIntegerField(default=0)
    charge_type = CharField(max_length=16, default="")
    expires_at = BigIntegerField(default=0)

    class Meta:
        table_name = "instances"
        indexes = (
            (("instance_id", "account_id"), True),
            (("cluster_id", "status"), False),
            (("cluster_name", "id"), False),
            (("account_key", "id"), False),
            (("provider", "id"), False),
            (("status", "id"), False),
            (("task_id",), False),
            (("chunk_id",), False),
            (("ip_inner",), False),
            (("ip_outer",), False),
            (("account_id", "region_id", "tend_at"), False),
            (("gone_at", "running_at"), False),
            (("cluster_name", "gone_at", "running_at"), False),
        )


class WatchRow(_Table):
    """One account in one region, whose unsettled machines one worker at a time asks the cloud about.

    ``next_at`` is when to ask next, NULL when there is nothing to ask; ``reconcile_at`` when to compare everything.
    """

    id = AutoField()
    account_id = IntegerField()
    region_id = CharField(max_length=64)
    next_at = BigIntegerField(null=True, index=True)
    reconcile_at = BigIntegerField(index=True)
    lease_owner = CharField(max_length=64, default="")
    lease_until = BigIntegerField(default=0)
    fence = BigIntegerField(default=0)
    wakes = BigIntegerField(default=0)

    class Meta:
        table_name = "watches"
        indexes = ((("account_id", "region_id"), True),)


class InstallationRow(_Table):
    """One row: the name that tells this store's machines from those of others at the clouds, as a tag."""

    id = AutoField()
    name = CharField(max_length=36)
    created_at = BigIntegerField()

    class Meta:
        table_name = "installation"


class OrphanRow(_Table):
    """A machine that carries our tags at the cloud though no row knows why. Reported, never deleted silently.

    ``started_at`` is the cloud's own time of its creation; ``absences`` counts comparisons in a row that did not see it;
    ``delete_asked_at`` and ``delete_asked_by`` say who last asked the cloud to delete it, and ``delete_failure`` what
    the cloud refused that with. ``made_by`` is the access key of the account whose task made it; empty where that is not known.
    """

    id = AutoField()
    account_id = IntegerField()
    region_id = CharField(max_length=64)
    instance_id = CharField(max_length=128)
    state = CharField(max_length=16)
    tags_json = TextField()
    seen_at = BigIntegerField()
    first_seen_at = BigIntegerField(default=0)
    started_at = BigIntegerField(default=0)
    instance_type = CharField(max_length=128, default="")
    zone_id = CharField(max_length=64, default="")
    ip_inner = CharField(max_length=64, default="")
    reason = CharField(max_length=255, default="")
    absences = IntegerField(default=0)
    delete_asked_at = BigIntegerField(default=0)
    delete_asked_by = CharField(max_length=128, default="")
    delete_failure = CharField(max_length=2000, default="")
    made_by = CharField(max_length=128, default="")

    class Meta:
        table_name = "orphans"
        indexes = (
            (("account_id", "region_id", "instance_id"), True),
            (("region_id", "id"), False),
            (("instance_id", "id"), False),
        )


class StockoutRow(_Table):
    """A machine type that an account last found sold out in a zone."""

    id = AutoField()
    account_id = IntegerField()
    zone_id = CharField(max_length=64)
    instance_type = CharField(max_length=128)
    seen_at = BigIntegerField()

    class Meta:
        table_name = "stockouts"
        indexes = ((("account_id", "zone_id", "instance_type"), True),)


class RefusedQuotaRow(_Table):
    """A machine type of which a quota of the cloud last left an account none in a zone; ``message`` is the cloud's."""

    id = AutoField()
    account_id = IntegerField()
    zone_id = CharField(max_length=64)
    instance_type = CharField(max_length=128)
    message = CharField(max_length=500)
    seen_at = BigIntegerField()

    class Meta:
        table_name = "refused_quotas"
        indexes = ((("account_id", "zone_id", "instance_type"), True),)


class ComparisonRow(_Table):
    """The last comparison of an account in a region with the inventory.

    ``succeeded_at`` is when the last one ended that had a complete list; the counts are of that one. ``error_class``
    and ``reason`` say why a later one failed. ``provider`` and ``account_key`` are those of the account. ``unowned`` are
    those of the orphans of which no task of this account is known to have made them.
    """

    id = AutoField()
    account_id = IntegerField()
    region_id = CharField(max_length=64)
    provider = CharField(max_length=32)
    account_key = CharField(max_length=128)
    started_at = BigIntegerField()
    finished_at = BigIntegerField()
    succeeded_at = BigIntegerField(default=0)
    error_class = CharField(max_length=32, default="")
    reason = CharField(max_length=2000, default="")
    listed = IntegerField(default=0)
    missing = IntegerField(default=0)
    adopted = IntegerField(default=0)
    revived = IntegerField(default=0)
    orphans = IntegerField(default=0)
    unowned = IntegerField(default=0)

    class Meta:
        table_name = "comparisons"
        indexes = ((("account_id", "region_id"), True), (("account_key", "region_id"), False))


class FindingRow(_Table):
    """A machine of which cloud and inventory told different things, and when.

    ``kind`` is missing, lost, adopted, revived or orphan. A row stays after the difference has been settled. ``made_by`` is
    that of an orphan.
    """

    id = AutoField()
    kind = CharField(max_length=16)
    account_id = IntegerField()
    region_id = CharField(max_length=64)
    provider = CharField(max_length=32)
    account_key = CharField(max_length=128)
    instance_id = CharField(max_length=128)
    cluster_name = CharField(max_length=128, default="")
    task_id = IntegerField(default=0)
    first_seen_at = BigIntegerField()
    seen_at = BigIntegerField()
    made_by = CharField(max_length=128, default="")

    class Meta:
        table_name = "findings"
        indexes = (
            (("account_id", "region_id", "kind", "instance_id"), True),
            (("kind", "id"), False),
            (("provider", "id"), False),
            (("account_key", "id"), False),
            (("region_id", "id"), False),
            (("seen_at",), False),
        )


class RequestRow(_Table):
    """The first answer to a caller's request id, for when it asks again.

    ``open`` is true while something may be left of it at a cloud and it can be finished without its caller; then
    ``payload`` holds the request itself, ``attempt_at`` is when it was last worked on, ``made_json`` what it has made so
    far, and ``failure`` why it did not end. ``doubt`` is the kind that a call may have made whose answer is not known, and
    ``effect_until`` until when (ms) a call of its could have its effect. ``undoing``: what it has made is being removed again,
    and so is what is in doubt. ``generation`` counts the times that it began anew, under new tokens.

    One attempt holds it, until ``lease_until``. ``unsettled_ms`` is how long after that a call to a cloud which it has begun
    may still have its effect, 0 where none is under way: only then may another attempt go on.
    """

    id = AutoField()
    caller = CharField(max_length=128)
    request_id = CharField(max_length=64)
    operation = CharField(max_length=64)
    fingerprint = CharField(max_length=64)
    answer = TextField()
    created_at = BigIntegerField()
    attempt_at = BigIntegerField(default=0)
    attempts = IntegerField(default=0)
    open = BooleanField(default=False)
    payload = TextField(default="")
    made_json = TextField(default="[]")
    undoing = BooleanField(default=False)
    doubt = CharField(max_length=32, default="")
    generation = IntegerField(default=0)
    failure = CharField(max_length=2000, default="")
    lease_owner = CharField(max_length=64, default="")
    lease_until = BigIntegerField(default=0)
    fence = BigIntegerField(default=0)
    unsettled_ms = BigIntegerField(default=0)
    effect_until = BigIntegerField(default=0)

    class Meta:
        table_name = "requests"
        indexes = (
            (("caller", "request_id", "operation"), True),
            (("created_at",), False),
            (("open", "attempt_at"), False),
        )


class TokenRow(_Table):
    """A bearer token that was given out here, as the SHA-256 of it.

    ``held_name`` is the name while the token may be used, and NULL once it was revoked or has expired, so that a name belongs
    to one living token of a ``tenant``: of those that callers with exactly the same accounts have given out. Without
    ``all_accounts`` its accounts are rows of their own.
    """

    id = AutoField()
    name = CharField(max_length=128)
    held_name = CharField(max_length=128, null=True)
    digest = CharField(max_length=64, unique=True)
    role = CharField(max_length=16)
    all_accounts = BooleanField()
    created_at = BigIntegerField()
    created_by = CharField(max_length=128)
    expires_at = BigIntegerField()
    revoked_at = BigIntegerField(default=0)
    last_used_at = BigIntegerField(default=0)
    tenant = CharField(max_length=64, default="")

    class Meta:
        table_name = "tokens"
        indexes = ((("held_name", "tenant"), True),)


class TokenAccountRow(_Table):
    """A cloud account that a token is good for, by name: it need not be registered."""

    id = AutoField()
    token_id = IntegerField()
    provider = CharField(max_length=32)
    access_key = CharField(max_length=128)

    class Meta:
        table_name = "token_accounts"
        indexes = ((("token_id", "provider", "access_key"), True),)


class AuditRow(_Table):
    """One change, or one refusal of it. Rows are only ever added; the database refuses anything else.

    ``account_id`` is NULL where no registered account is concerned. ``address`` is where the caller is, ``proxy`` the Envoy that
    said so; ``request_id`` that of the call.
    """

    id = BigAutoField()
    at = BigIntegerField()
    actor = CharField(max_length=128)
    actor_kind = CharField(max_length=16)
    actor_key = CharField(max_length=128)
    operation = CharField(max_length=64)
    resource_kind = CharField(max_length=32)
    resource = CharField(max_length=256)
    provider = CharField(max_length=32)
    account_id = IntegerField(null=True)
    account_key = CharField(max_length=128)
    outcome = CharField(max_length=64)
    message = TextField()
    address = CharField(max_length=64)
    proxy = CharField(max_length=64)
    request_id = CharField(max_length=64)
    detail_json = TextField()

    class Meta:
        table_name = "audit"
        indexes = (
            (("account_id", "id"), False),
            (("actor", "id"), False),
            (("operation", "id"), False),
            (("resource_kind", "id"), False),
            (("resource", "id"), False),
            (("outcome", "id"), False),
            (("at",), False),
        )


class LimiterRow(_Table):
    """An account at a cloud, as the vendor counts its calls. Whoever holds this row's lock decides about all of them."""

    id = AutoField()
    provider = CharField(max_length=32)
    access_key = CharField(max_length=128)
    used_at = BigIntegerField()

    class Meta:
        table_name = "limiters"
        indexes = ((("provider", "access_key"), True), (("used_at",), False))


class BucketRow(_Table):
    """One API of an account in a region (empty: in all of them together).

    ``calls`` and ``machines`` are how many of either the bucket lacked at ``counted_at``. ``virtual`` is how far the fair
    queue has come, in microseconds of the bucket's time. ``level`` halvings of the rate began at ``lowered_at``; nothing
    goes before ``paused_until``.
    """

    id = AutoField()
    limiter_id = IntegerField()
    region_id = CharField(max_length=64)
    api = CharField(max_length=96)
    calls = DoubleField(default=0.0)
    machines = DoubleField(default=0.0)
    counted_at = BigIntegerField(default=0)
    virtual = BigIntegerField(default=0)
    level = IntegerField(default=0)
    lowered_at = BigIntegerField(default=0)
    paused_until = BigIntegerField(default=0)

    class Meta:
        table_name = "buckets"
        indexes = ((("limiter_id", "region_id", "api"), True),)


class FlowRow(_Table):
    """Someone's place in the fair queue of a bucket, and, while ``waiting``, a call that has not had its turn.

    ``start`` and ``finish`` are on the bucket's virtual clock. It stands in nobody's way after ``here_until``, and is
    forgotten after ``kept_until``. ``wants_place``: only a place among the calls under way is lacking, since ``since``.
    """

    id = AutoField()
    limiter_id = IntegerField()
    bucket_id = IntegerField()
    name = CharField(max_length=64)
    waiting = BooleanField()
    wants_place = BooleanField(default=False)
    machines = IntegerField(default=0)
    start = BigIntegerField(default=0)
    finish = BigIntegerField(default=0)
    since = BigIntegerField()
    here_until = BigIntegerField()
    kept_until = BigIntegerField()

    class Meta:
        table_name = "flows"
        indexes = ((("bucket_id", "name"), True), (("limiter_id", "kept_until"), False))


class CallRow(_Table):
    """A call that has had its turn and not ended, until ``until`` if its process has died.

    ``has_place``: it takes one of the account's places. ``uncounted``: the vendor may not have counted it yet.
    ``machines`` is how many it makes or ends.
    """

    id = BigAutoField()
    limiter_id = IntegerField()
    bucket_id = IntegerField()
    owner = CharField(max_length=32)
    machines = IntegerField()
    has_place = BooleanField()
    uncounted = BooleanField()
    until = BigIntegerField()

    class Meta:
        table_name = "calls"
        indexes = ((("limiter_id", "until"), False),)


TABLES: tuple[type[Model], ...] = (
    AccountRow,
    ClusterRow,
    VpcRow,
    SubnetRow,
    SecurityGroupRow,
    TaskRow,
    ChunkRow,
    InstanceRow,
    WatchRow,
    InstallationRow,
    OrphanRow,
    StockoutRow,
    RefusedQuotaRow,
    ComparisonRow,
    FindingRow,
    RequestRow,
    TokenRow,
    TokenAccountRow,
    AuditRow,
    LimiterRow,
    BucketRow,
    FlowRow,
    CallRow,
)
