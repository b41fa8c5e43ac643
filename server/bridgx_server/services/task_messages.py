"""Tasks and plans as messages."""

from __future__ import annotations

from collections.abc import Sequence

import bridgx.v1 as pb

from bridgx_server.scaling.forecast import PlannedPlacement, Refusal
from bridgx_server.scaling.plans import ExpandPlan, PlannedChunk, ShrinkPlan
from bridgx_server.scaling.tasks import ChunkView, Progress, TaskView
from bridgx_server.services.messages import moment
from bridgx_server.store.instances import Tended

SHOWN_VICTIMS = 1000


def state(task: TaskView) -> pb.WatchTaskResponse:
    """A task at one moment, without its chunks."""
    return pb.WatchTaskResponse(
        task_id=str(task.task_id),
        status=task.status,
        phase=task.phase,
        asked=task.asked,
        pending=task.pending,
        running=task.running,
        failed=task.failed,
        deleted=task.deleted,
        execute_time=task.execute_time,
        reason=task.reason,
        error_class=task.error_class,
        task_action=task.task_action,
        progress=_progress(task.progress),
    )


def detail(task: TaskView) -> pb.TaskDetail:
    """A task with its chunks."""
    return pb.TaskDetail(
        task_id=str(task.task_id),
        task_name=task.task_name,
        task_action=task.task_action,
        status=task.status,
        cluster_name=task.cluster_name,
        create_at=moment(task.created_at),
        execute_time=task.execute_time,
        finish_at=moment(task.finished_at),
        asked=task.asked,
        pending=task.pending,
        running=task.running,
        failed=task.failed,
        deleted=task.deleted,
        phase=task.phase,
        reason=task.reason,
        error_class=task.error_class,
        chunks=[chunk(row) for row in task.chunks],
        create_by=task.created_by,
        provider=task.provider,
        start_at=moment(task.started_at),
        progress=_progress(task.progress),
        termination_policy=task.termination_policy,
        created_machines=task.created_machines,
        release_prepaid=task.release_prepaid,
    )


def chunk(row: ChunkView) -> pb.TaskChunk:
    """A chunk with its timeline."""
    return pb.TaskChunk(
        chunk_id=row.chunk_id,
        index=row.index,
        zone_id=row.zone_id,
        instance_type=row.instance_type,
        asked=row.asked,
        accepted=row.accepted,
        running=row.running,
        failed=row.failed,
        status=row.status,
        reason=row.reason,
        error_class=row.error_class,
        vendor_code=row.vendor_code,
        vendor_request_id=row.vendor_request_id,
        planned_at=moment(row.planned_at),
        sent_at=moment(row.sent_at),
        accepted_at=moment(row.accepted_at),
        finished_at=moment(row.finished_at),
        first_running_at=moment(row.first_running_at),
        last_running_at=moment(row.last_running_at),
        subnet_id=row.subnet_id,
        placement=row.placement,
        moved=row.moved,
        deleted=row.deleted,
        replacement=row.replacement,
        attempts=row.attempts,
    )


def expand_plan(plan: ExpandPlan) -> pb.PlanExpandResponse:
    """What an expand would do."""
    return pb.PlanExpandResponse(
        feasible=not plan.refusals,
        refusals=_refusals(plan.refusals),
        chunks=_chunks(plan.chunks),
        placements=[_placement(row) for row in plan.placements],
        max_machines=plan.max_machines,
        used=plan.used,
        coming=plan.coming,
        tasks_before=plan.tasks_before,
        seconds=plan.seconds,
        expected=plan.expected,
    )


def shrink_plan(plan: ShrinkPlan) -> pb.PlanShrinkResponse:
    """What a shrink would do."""
    return pb.PlanShrinkResponse(
        feasible=not plan.refusals,
        refusals=_refusals(plan.refusals),
        chunks=_chunks(plan.chunks),
        victims=[_victim(machine) for machine in plan.victims[:SHOWN_VICTIMS]],
        count=plan.count,
        termination_policy=plan.termination_policy,
        candidates=plan.candidates,
        protected_machines=plan.protected,
        tasks_before=plan.tasks_before,
        seconds=plan.seconds,
        prepaid_machines=plan.prepaid,
        prepaid_release=plan.prepaid_release,
    )


def _progress(progress: Progress) -> pb.TaskProgress:
    return pb.TaskProgress(
        planned=progress.planned,
        requested=progress.requested,
        booting=progress.booting,
        running=progress.running,
        deleting=progress.deleting,
        deleted=progress.deleted,
        failed=progress.failed,
    )


def _refusals(rows: Sequence[Refusal]) -> list[pb.PlanRefusal]:
    return [pb.PlanRefusal(reason=row.reason, field=row.field, message=row.message) for row in rows]


def _chunks(rows: Sequence[PlannedChunk]) -> list[pb.PlannedChunk]:
    return [
        pb.PlannedChunk(
            index=row.index,
            zone_id=row.zone_id,
            subnet_id=row.subnet_id,
            instance_type=row.instance_type,
            count=row.count,
        )
        for row in rows
    ]


def _placement(row: PlannedPlacement) -> pb.PlannedPlacement:
    return pb.PlannedPlacement(
        placement=row.place.rank,
        zone_id=row.place.zone_id,
        subnet_id=row.place.subnet_id,
        instance_type=row.place.instance_type,
        sold_out_at=moment(row.sold_out_at),
        dry_run=row.dry_run,
        reason=row.reason,
        message=row.message,
        vendor_code=row.vendor_code,
        available_ip_address_count=row.addresses,
        quota_exceeded_at=moment(0 if row.quota is None else row.quota.seen_at),
    )


def _victim(machine: Tended) -> pb.PlannedVictim:
    return pb.PlannedVictim(
        instance_id=machine.instance_id,
        ip_inner=machine.ip_inner,
        ip_outer=machine.ip_outer,
        zone_id=machine.zone_id,
        create_at=moment(machine.created_at),
        charge_type=machine.charge_type,
        expire_at=moment(machine.expires_at),
    )
