"""TaskService: expand and shrink, and how far they are."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import bridgx.v1 as pb
import grpc

from bridgx_server.errors import BridgXError, NotFound
from bridgx_server.front.places import Places
from bridgx_server.interceptors.caller import (
    check_caller,
    current_idempotency_key,
    current_identity,
    current_scope,
)
from bridgx_server.pausing import Pause
from bridgx_server.provisioning.claims import Claims
from bridgx_server.provisioning.once import Attempt, once
from bridgx_server.scaling import tasks
from bridgx_server.scaling.plans import Planner
from bridgx_server.services import task_messages as messages
from bridgx_server.services.messages import moment, pager
from bridgx_server.store import listing
from bridgx_server.store.listing import TaskLine
from bridgx_server.store.paging import PageOf

WATCH_PAUSE = 0.5  # seconds between two looks at a watched task
WATCH_SILENCE = 15.0  # seconds after which the state is sent again, so that nothing on the way thinks the stream dead


class TaskService(pb.TaskServiceServicer):
    def __init__(
        self,
        claims: Claims,
        planner: Planner,
        wake_worker: Callable[[], None],
        stopping: Callable[[], bool],
        places: Places,
        watch_time: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``wake_worker`` is called when there is new work; ``stopping`` ends the watches, which have ``places`` and last
        ``watch_time`` seconds at most."""
        self._claims = claims
        self._store = claims.store
        self._planner = planner
        self._wake_worker = wake_worker
        self._stopping = stopping
        self._places = places
        self._watch_time = watch_time
        self._clock = clock

    def ExpandCluster(
        self, request: pb.ExpandClusterRequest, context: grpc.ServicerContext
    ) -> pb.ExpandClusterResponse:
        def submit(attempt: Attempt) -> str:
            with self._store.transaction():
                attempt.hold()
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
                attempt.hold()
                task_id = tasks.submit_shrink(
                    self._store,
                    current_scope(),
                    cluster_name=request.cluster_name,
                    task_name=request.task_name,
                    count=request.count,
                    ips=list(request.ips),
                    caller=attempt.caller,
                    termination_policy=request.termination_policy,
                    instance_ids=list(request.instance_ids),
                    release_prepaid=request.release_prepaid,
                )
                attempt.answered(str(task_id))
            return str(task_id)

        return pb.ShrinkClusterResponse(task_id=self._submitted(request, submit))

    def PlanExpand(self, request: pb.PlanExpandRequest, context: grpc.ServicerContext) -> pb.PlanExpandResponse:
        return messages.expand_plan(self._planner.expand(current_scope(), request.cluster_name, request.count))

    def PlanShrink(self, request: pb.PlanShrinkRequest, context: grpc.ServicerContext) -> pb.PlanShrinkResponse:
        return messages.shrink_plan(
            self._planner.shrink(
                current_scope(),
                request.cluster_name,
                request.count,
                list(request.ips),
                request.termination_policy,
                list(request.instance_ids),
                release_prepaid=request.release_prepaid,
            )
        )

    def ListTasks(self, request: pb.ListTasksRequest, context: grpc.ServicerContext) -> pb.ListTasksResponse:
        wanted = PageOf.asked(request.page_number, request.page_size)
        page = listing.page_tasks(self._store, current_scope(), request.account, request.cluster_name, wanted)
        now = self._store.now()
        return pb.ListTasksResponse(task_list=[_line(task, now) for task in page.rows], pager=pager(page))

    def GetTask(self, request: pb.GetTaskRequest, context: grpc.ServicerContext) -> pb.GetTaskResponse:
        task = tasks.describe(self._store, current_scope(), _number(request.task_id))
        return pb.GetTaskResponse(task=messages.detail(task))

    def CancelTask(self, request: pb.CancelTaskRequest, context: grpc.ServicerContext) -> pb.CancelTaskResponse:
        status = tasks.cancel(
            self._store,
            current_scope(),
            _number(request.task_id),
            request.created_machines,
            release_prepaid=request.release_prepaid,
        )
        self._wake_worker()
        return pb.CancelTaskResponse(task_id=request.task_id, status=status)

    def WatchTask(  # type: ignore[override]  # the front knows pauses
        self, request: pb.WatchTaskRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.WatchTaskResponse | Pause]:
        with self._places.place(current_identity().key):
            yield from self._states(_number(request.task_id))

    def _states(self, task_id: int) -> Iterator[pb.WatchTaskResponse | Pause]:
        sent, known, silent = None, dict[str, pb.TaskChunk](), 0.0
        until = self._clock() + self._watch_time
        while True:
            check_caller()
            task = tasks.describe(self._store, current_scope(), task_id)
            chunks = {chunk.chunk_id: messages.chunk(chunk) for chunk in task.chunks}
            state = messages.state(task)
            changed = [chunk for key, chunk in chunks.items() if known.get(key) != chunk]
            silent += WATCH_PAUSE
            if sent is None or changed or _differs(state, sent) or silent >= WATCH_SILENCE:
                sent, known, silent = state, chunks, 0.0
                answer = pb.WatchTaskResponse(chunks=changed)
                answer.MergeFrom(state)
                yield answer
            if state.phase == "FINISHED":
                return
            if self._clock() >= until:
                raise BridgXError("deadline_exceeded", f"a watch lasts {self._watch_time:g} s at most; watch again")
            yield Pause(WATCH_PAUSE)
            if self._stopping():
                raise BridgXError("server_unavailable", "the server is going down; watch again in a moment")

    def _submitted(
        self, request: pb.ExpandClusterRequest | pb.ShrinkClusterRequest, submit: Callable[[Attempt], str]
    ) -> str:
        key = request.request_id or current_idempotency_key()
        task_id = once(self._claims, current_identity(), key, request, submit)
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
