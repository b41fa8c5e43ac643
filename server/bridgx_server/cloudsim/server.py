"""The simulator as a server: one port a cloud, one for the control API, all on loopback, in a thread of its own."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from bridgx_server.cloudsim.control import Control
from bridgx_server.cloudsim.core import Effects, SimCloud
from bridgx_server.cloudsim.entities import Account
from bridgx_server.cloudsim.errors import Kind, SimError
from bridgx_server.cloudsim.faults import Faults
from bridgx_server.cloudsim.front import FRONTS, Call, Front, Refusal, front_of
from bridgx_server.cloudsim.persistence import Journal
from bridgx_server.cloudsim.rates import Rates

CONTROL = "control"
HOST = "127.0.0.1"
KEPT_CALLS = 20_000  # calls that /calls remembers
BODY_LIMIT = 4 * 1024 * 1024  # bytes
START_TIMEOUT = 60.0  # seconds

# Where the token of a temporary access key stands, and what the vendor calls one that is wrong: code and HTTP status.
TOKENS: Mapping[str, tuple[str, str, int]] = {
    "AlibabaCloud": ("x-acs-security-token", "InvalidSecurityToken.MismatchWithAccessKey", 403),
    "HuaweiCloud": ("X-Security-Token", "APIGW.0301", 401),
    "TencentCloud": ("X-TC-Token", "AuthFailure.TokenFailure", 200),
    "BaiduCloud": ("x-bce-security-token", "AccessDenied", 403),
    "AWSCloud": ("X-Amz-Security-Token", "AuthFailure", 401),
}


def demo_account(provider: str) -> Account:
    """The account that every simulated cloud has from its first start."""
    return Account(f"demo-{provider}", f"demo-secret-{provider}", "demo-project" if provider == "HuaweiCloud" else "")


class CloudSim:
    """The running simulator. Made by :meth:`start`."""

    def __init__(
        self, data_dir: Path, seed: int, clock: Callable[[], float], clouds: Collection[str] = tuple(FRONTS)
    ) -> None:
        self._journal = Journal(data_dir)
        self.clock = clock
        self.faults = Faults(seed)
        self.rates = Rates(clock)
        self.calls: deque[dict[str, Any]] = deque(maxlen=KEPT_CALLS)
        self.calls_made = 0
        self.ahead = 0.0  # seconds; by how much the clouds' clocks differ from that of whoever calls
        self.fronts: dict[str, Front] = {
            provider: front_of(provider, self._signing_time) for provider in FRONTS if provider in clouds
        }
        self.clouds: dict[str, SimCloud] = {}
        self.endpoints: dict[str, str] = {}
        self.control_url = ""
        self._seed = seed
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="cloudsim", daemon=True)
        self._runners: list[web.AppRunner] = []
        self.furnish()

    @classmethod
    def start(
        cls,
        data_dir: Path,
        ports: Mapping[str, int] | None = None,
        seed: int = 1,
        clock: Callable[[], float] = time.time,
        clouds: Collection[str] = tuple(FRONTS),
    ) -> CloudSim:
        """Starts on loopback and returns when every port listens.

        Args:
            data_dir: where its state is kept; a later start goes on from it.
            ports: by provider, and under ``control``; one that is absent or 0 is chosen.
            seed: of everything random.
            clock: seconds since the epoch.
            clouds: which clouds to simulate.

        Raises:
            OSError: a port is taken.
        """
        simulator = cls(data_dir, seed, clock, clouds)
        simulator._thread.start()
        started = asyncio.run_coroutine_threadsafe(simulator._serve(dict(ports or {})), simulator._loop)
        try:
            started.result(START_TIMEOUT)
        except BaseException:
            simulator.stop()
            raise
        return simulator

    def stop(self) -> None:
        """Ends the servers and closes the journal."""

        async def end() -> None:
            for runner in self._runners:
                await runner.cleanup()
            waiting = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(end(), self._loop).result(START_TIMEOUT)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(START_TIMEOUT)
        self._journal.close()

    def furnish(self, *, fresh: bool = False) -> None:
        """Makes the clouds from the journal, or, if ``fresh``, as on the first day."""
        if fresh:
            self._journal.clear()
            self.faults = Faults(self._seed)
            self.rates = Rates(self.clock)
            self.calls.clear()
            self.ahead = 0.0
        for provider, front in self.fronts.items():
            cloud = SimCloud(
                provider,
                self._journal,
                self.clock,
                # Not the seed alone: a restart must not draw the same ids again.
                random.Random(f"{self._seed}/{provider}/{time.time_ns()}"),
                front.prefixes,
                front.reserved,
            )
            cloud.delays.keep_deleted = front.keep_deleted
            self.clouds[provider] = cloud
            if demo_account(provider).access_key not in cloud.accounts:
                cloud.add_account(demo_account(provider))
        self._journal.commit()

    def _signing_time(self) -> float:
        """What the clouds compare the times of signatures with; machines live by the clock that was given."""
        return time.time() + self.ahead

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()

    async def _serve(self, ports: dict[str, int]) -> None:
        for provider in self.fronts:
            self.endpoints[provider] = await self._listen(self._front_app(provider), ports.get(provider, 0))
        self.control_url = await self._listen(Control(self).app(), ports.get(CONTROL, 0))

    async def _listen(self, app: web.Application, port: int) -> str:
        runner = web.AppRunner(app, access_log=None, handler_cancellation=False, shutdown_timeout=1.0)
        await runner.setup()
        self._runners.append(runner)
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        await web.SockSite(runner, listener, backlog=512).start()
        return f"http://{HOST}:{listener.getsockname()[1]}"

    def _front_app(self, provider: str) -> web.Application:
        app = web.Application(client_max_size=BODY_LIMIT)

        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._handle(provider, request)

        app.router.add_route("*", "/{path:.*}", handle)
        return app

    async def _handle(self, provider: str, request: web.Request) -> web.StreamResponse:
        front, cloud = self.fronts[provider], self.clouds[provider]
        body = await request.read()
        try:
            call = front.parse(request, body, cloud)
        except Refusal as refusal:
            self._note(provider, refusal.action, request, {}, refusal.response.status)
            return refusal.response
        struck = self.faults.pick(provider, call.action)
        kinds = {fault.kind: fault for fault in struck}
        if "slow" in kinds:
            await asyncio.sleep(float(kinds["slow"].params.get("seconds", 60)))
        if "cut_before" in kinds:
            self._note(provider, call.action, request, call.parameters, 0)
            return _cut(request)
        call.effects = Effects.of(struck)
        call.dropped = self.faults.dropped
        try:
            _settle_account(provider, request, call, cloud)
            self._refuse(provider, call.action, kinds)
            response = front.perform(call, cloud)
        except Refusal as refused:
            response = refused.response
        except SimError as error:
            response = front.refusal(error, call.action)
        cloud.commit()
        self._note(provider, call.action, request, call.parameters, response.status)
        if "empty" in kinds and response.status < 300:
            return web.Response(status=response.status)
        return _cut(request) if "cut_after" in kinds else response

    def _refuse(self, provider: str, action: str, kinds: Mapping[str, Any]) -> None:
        if "throttle" in kinds or not self.rates.take(provider, action):
            raise SimError(Kind.THROTTLED, "too many requests")
        if "unavailable" in kinds:
            raise SimError(Kind.UNAVAILABLE, "the service is not available")
        if "error" in kinds:
            params = kinds["error"].params
            raise SimError(
                Kind.VENDOR,
                str(params.get("message", "scripted by a fault")),
                code=str(params["code"]),
                status=int(params.get("status", 400)),
            )

    def _note(
        self, provider: str, action: str, request: web.Request, parameters: Mapping[str, Any], status: int
    ) -> None:
        self.calls_made += 1
        self.calls.append(
            {
                "cloud": provider,
                "action": action,
                "method": request.method,
                "path": request.path,
                "parameters": _redacted(parameters),
                "status": status,
                "at": self.clock(),
            }
        )


def _settle_account(provider: str, request: web.Request, call: Call, cloud: SimCloud) -> None:
    """Whose call it is that an access key has signed; raises SimError where its token is wrong."""
    account = cloud.accounts[call.account]
    header, code, status = TOKENS[provider]
    if request.headers.get(header, "") != account.token:
        raise SimError(Kind.VENDOR, "the security token is wrong", code=code, status=status)
    call.key, call.account = call.account, account.owner or call.account


def _cut(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _redacted(parameters: Any) -> Any:
    if isinstance(parameters, Mapping):
        # Texts only: Tencent's PublicIpAssigned has "pass" in it, too.
        return {
            key: "***"
            if isinstance(value, str) and ("pass" in key.lower() or key.lower() == "userdata")
            else _redacted(value)
            for key, value in parameters.items()
        }
    return [_redacted(value) for value in parameters] if isinstance(parameters, (list, tuple)) else parameters
