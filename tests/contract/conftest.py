"""The whole system, as the demo starts it, once for all tests of the contract."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from bridgx_server.cloudsim.control_client import ControlClient
from bridgx_server.demo.system import TOKEN, Running, running
from contract.openapi import conforms


class Api:
    """REST over real Envoy. Every answer is checked to be the envelope, and what the OpenAPI document says of it."""

    def __init__(self, url: str, token: str = TOKEN) -> None:
        self.client = httpx.Client(
            base_url=f"{url}/api/v1/", headers={"Authorization": f"Bearer {token}"}, timeout=120.0
        )

    def get(self, path: str, **query: Any) -> Any:
        return self.data(self.client.get(path, params=query))

    def post(self, path: str, body: dict[str, Any], **headers: str) -> Any:
        return self.data(self.client.post(path, json=body, headers=headers))

    def refused(self, path: str, body: dict[str, Any] | None = None, **query: Any) -> dict[str, Any]:
        """The whole envelope of a call that must fail."""
        answer = self.client.get(path, params=query) if body is None else self.client.post(path, json=body)
        conforms(answer)
        envelope: dict[str, Any] = answer.json()
        assert set(envelope) == {"code", "msg", "data", "error"}
        assert envelope["code"] == answer.status_code >= 400
        assert envelope["data"] is None
        return envelope

    @staticmethod
    def data(answer: httpx.Response) -> Any:
        envelope = answer.json()
        assert answer.status_code == 200, envelope
        conforms(answer)
        assert set(envelope) == {"code", "msg", "data"}
        assert (envelope["code"], envelope["msg"]) == (200, "success")
        return envelope["data"]

    def ended(self, task_id: str, within: float = 120.0) -> dict[str, Any]:
        """The task, when it has ended."""
        task: dict[str, Any] = {}

        def over() -> bool:
            task.update(self.get("task/describe", task_id=task_id))
            return task["phase"] == "FINISHED"

        until(over, within)
        return task


def until(condition: Callable[[], bool], within: float = 120.0) -> None:
    """Waits for a condition; `within` only bounds a test that would otherwise hang."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"not within {within} s"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("system")) as system:
        yield system


@pytest.fixture(scope="session")
def control(system: Running) -> ControlClient:
    control = ControlClient(system.control_url)
    control.delays(boot=[0.1, 0.5], delete=[0.05, 0.2])
    return control


@pytest.fixture(scope="session")
def api(system: Running, control: ControlClient) -> Api:
    return Api(system.rest_url)
