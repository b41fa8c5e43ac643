"""TaskService: expand and shrink, and how far they are."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import bridgx.v1 as pb
import grpc

from bridgx_server.errors import BridgXError, NotFound
from bridgx_server.interceptors.caller import (
    check_caller,
    current_caller,
    current_idempotency_key,
    current_identity,
    current_scope,
)
from bridgx_server.provisioning.once import Attempt, once
from bridgx_server.scaling import tasks
from bridgx_server.scaling.tasks import ChunkView, TaskView
from bridgx_server.services.messages import moment, pager
from bridgx_server.services.watching import WatchPlaces
from bridgx_server.store import listing
from bridgx_server.store.database import Store
from bridgx_server.store.listing import TaskLine
from bridgx_server.store.paging import PageOf

WATCH_PAUSE = 0.5  # seconds between two looks at a watched task
WATCH_SILENCE = 15.0  # seconds after which the state is sent again, so that nothing on the way thinks the stream dead


class TaskService(pb.TaskServiceServicer):
    def __init__(
        self,
        store: Store,
        wake_worker: Callable[[], None],
        stopping: Callable[[], bool],
        places: WatchPlaces,
        watch_time: float,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``wake_worker`` is called when there is new work; ``stopping`` ends the watches, which have ``places`` and last
        ``watch_time`` seconds at most."""
        self._store = store
        self._wake_worker = wake_worker
        self._stopping = stopping
        self._places = places
        self._watch_time = watch_time
        self._sleep = sleep
        self._clock = clock

    def ExpandCluster(
        self, request: pb.ExpandClusterRequest, context: grpc.ServicerContext
    ) -> pb.ExpandClusterResponse:
        def submit(attempt: Attempt) -> str:
            with self._store.transaction():
                if answer := attempt.answer_so_far():
                    return answer
                task_id = tasks.submit_expand(
                    self._store,
                    current_scope(),
                    cluster_name=request.cluster_name,
                    task_name=request.task_name,
                    count=request.count,
                    caller=attempt.caller,
                )
                attempt.answered(str(task_id))
            return str(task_id)

        return pb.ExpandClusterResponse(task_id=self._submitted(request, submit))

    def ShrinkCluster(
        self, request: pb.ShrinkClusterRequest, context: grpc.ServicerContext
    ) -> pb.ShrinkClusterResponse:
        def submit(attempt: Attempt) -> str:
            with self._store.transaction():
                if answer := attempt.answer_so_far():
                    return answer
                task_id = tasks.submit_shrink(
                    self._store,
                    current_scope(),
                    cluster_name=request.cluster_name,
                    task_name=request.task_name,
                    count=request.count,
                    ips=list(request.ips),
                    caller=attempt.caller,
                )
                attempt.answered(str(task_id))
            return str(task_id)

        return pb.ShrinkClusterResponse(task_id=self._submitted(request, submit))

    def ListTasks(self, request: pb.ListTasksRequest, context: grpc.ServicerContext) -> pb.ListTasksResponse:
        wanted = PageOf.asked(request.page_number, request.page_size)
        page = listing.page_tasks(self._store, current_scope(), request.account, request.cluster_name, wanted)
        now = self._store.now()
        return pb.ListTasksResponse(task_list=[_line(task, now) for task in page.rows], pager=pager(page))

    def GetTask(self, request: pb.GetTaskRequest, context: grpc.ServicerContext) -> pb.GetTaskResponse:
        task = tasks.describe(self._store, current_scope(), _number(request.task_id))
        return pb.GetTaskResponse(task=_detail(task))

    def CancelTask(self, request: pb.CancelTaskRequest, context: grpc.ServicerContext) -> pb.CancelTaskResponse:
        status = tasks.cancel(self._store, current_scope(), _number(request.task_id), request.created_machines)
        self._wake_worker()
        return pb.CancelTaskResponse(task_id=request.task_id, status=status)

    def WatchTask(self, request: pb.WatchTaskRequest, context: grpc.ServicerContext) -> Iterator[pb.WatchTaskResponse]:
        with self._places.place(current_caller()):
            yield from self._states(_number(request.task_id), context)

    def _states(self, task_id: int, context: grpc.ServicerContext) -> Iterator[pb.WatchTaskResponse]:
        sent, silent = None, 0.0
        until = self._clock() + self._watch_time
        while context.is_active() and not self._stopping():
            check_caller()
            state = _state(tasks.describe(self._store, current_scope(), task_id))
            silent += WATCH_PAUSE
            if sent is None or _differs(state, sent) or silent >= WATCH_SILENCE:
                yield state
                sent, silent = state, 0.0
            if state.phase == "FINISHED":
                return
            if self._clock() >= until:
                raise BridgXError("deadline_exceeded", f"a watch lasts {self._watch_time:g} s at most; watch again")
            self._sleep(WATCH_PAUSE)

    def _submitted(
        self, request: pb.ExpandClusterRequest | pb.ShrinkClusterRequest, submit: Callable[[Attempt], str]
    ) -> str:
        key = request.request_id or current_idempotency_key()
        task_id = once(self._store, current_identity(), key, request, submit)
        self._wake_worker()
        return task_id


def _number(task_id: str) -> int:
    if not (task_id.isascii() and task_id.isdigit() and len(task_id) < 10):
        raise NotFound("task", task_id)
    return int(task_id)


def _differs(state: pb.WatchTaskResponse, sent: pb.WatchTaskResponse) -> bool:
    """Whether more than the clock has moved on."""
    copy = pb.WatchTaskResponse()
    copy.CopyFrom(sent)
    copy.execute_time = state.execute_time
    return bool(copy != state)


def _line(task: TaskLine, now: int) -> pb.Task:
    seconds = ((task.finished_at or now) - task.started_at) // 1000 if task.started_at else 0
    return pb.Task(
        task_id=str(task.id),
        task_name=task.name,
        task_action=task.action,
        status=task.status,
        cluster_name=task.cluster_name,
        create_at=moment(task.created_at),
        execute_time=max(seconds, 0),
        finish_at=moment(task.finished_at),
    )


def _state(task: TaskView) -> pb.WatchTaskResponse:
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
    )


def _detail(task: TaskView) -> pb.TaskDetail:
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
        chunks=[_chunk(chunk) for chunk in task.chunks],
        create_by=task.created_by,
        provider=task.provider,
        start_at=moment(task.started_at),
    )


def _chunk(chunk: ChunkView) -> pb.TaskChunk:
    return pb.TaskChunk(
        chunk_id=chunk.chunk_id,
        index=chunk.index,
        zone_id=chunk.zone_id,
        instance_type=chunk.instance_type,
        asked=chunk.asked,
        accepted=chunk.accepted,
        running=chunk.running,
        failed=chunk.failed,
        status=chunk.status,
        reason=chunk.reason,
        error_class=chunk.error_class,
        vendor_code=chunk.vendor_code,
        vendor_request_id=chunk.vendor_request_id,
        planned_at=moment(chunk.planned_at),
        sent_at=moment(chunk.sent_at),
        accepted_at=moment(chunk.accepted_at),
        finished_at=moment(chunk.finished_at),
    )
