"""The control API: JSON over HTTP to see what exists and to script what goes wrong. docs/reference/cloudsim.md."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

from bridgx_server.cloudsim.core import SimCloud
from bridgx_server.cloudsim.entities import Account, to_json
from bridgx_server.cloudsim.errors import SimError
from bridgx_server.cloudsim.faults import KINDS

if TYPE_CHECKING:
    from bridgx_server.cloudsim.server import CloudSim

DELAYS = ("boot", "delete", "visible", "visible_network", "keep_deleted", "vpc", "billing")
PAIRS = ("boot", "delete", "visible", "visible_network")  # delays that may be a range


class BadInput(Exception):
    """A request that cannot be fulfilled; the text says which field and why."""


class Control:
    """The handlers. All of them run on the simulator's event loop."""

    def __init__(self, simulator: CloudSim) -> None:
        self._simulator = simulator

    def app(self) -> web.Application:
        """The routes."""
        app = web.Application(middlewares=[_errors])
        app.router.add_get("/state", self._state)
        app.router.add_get("/summary", self._summary)
        app.router.add_get("/calls", self._calls)
        app.router.add_get("/faults", self._list_faults)
        app.router.add_post("/faults", self._add_fault)
        app.router.add_delete("/faults", self._clear_faults)
        app.router.add_delete("/faults/{fault_id}", self._remove_fault)
        app.router.add_post("/capacity", self._capacity)
        app.router.add_post("/delays", self._delays)
        app.router.add_post("/quotas", self._quotas)
        app.router.add_post("/rates", self._rates)
        app.router.add_post("/refunds", self._refunds)
        app.router.add_post("/clock", self._clock)
        app.router.add_get("/accounts", self._list_accounts)
        app.router.add_post("/accounts", self._add_account)
        app.router.add_post("/machines/{machine_id}", self._change_machine)
        app.router.add_delete("/machines/{machine_id}", self._delete_machine)
        app.router.add_post("/networks/{network_id}", self._show_networks)
        app.router.add_delete("/networks/{network_id}", self._delete_network)
        app.router.add_post("/reset", self._reset)
        return app

    async def _state(self, request: web.Request) -> web.Response:
        wanted = request.query.get("cloud")
        clouds = {wanted: self._cloud(wanted)} if wanted else self._simulator.clouds
        now = self._simulator.clock()
        return web.json_response(
            {
                name: {
                    "vpcs": [to_json(row) for row in cloud.vpcs.values()],
                    "subnets": [to_json(row) for row in cloud.subnets.values()],
                    "groups": [to_json(row) for row in cloud.groups.values()],
                    "machines": [{**to_json(row), "state": row.state(now)} for row in cloud.machines.values()],
                    "capacity": cloud.capacity,
                }
                for name, cloud in clouds.items()
            }
        )

    async def _summary(self, request: web.Request) -> web.Response:
        now = self._simulator.clock()
        answer: dict[str, dict[str, int]] = {}
        for name, cloud in self._simulator.clouds.items():
            states: dict[str, int] = {}
            for machine in cloud.machines.values():
                states[machine.state(now)] = states.get(machine.state(now), 0) + 1
            answer[name] = states
        return web.json_response(answer)

    async def _calls(self, request: web.Request) -> web.Response:
        rows = [
            row
            for row in self._simulator.calls
            if request.query.get("cloud") in (None, row["cloud"])
            and request.query.get("action") in (None, row["action"])
        ]
        return web.json_response({"total": self._simulator.calls_made, "calls": rows})

    async def _list_faults(self, request: web.Request) -> web.Response:
        return web.json_response([vars(fault) for fault in self._simulator.faults.script])

    async def _add_fault(self, request: web.Request) -> web.Response:
        body = await _body(request, {"cloud", "action", "kind", "rate", "times", "params"})
        kind = body.get("kind")
        if kind not in KINDS:
            raise BadInput(f"kind: must be one of {', '.join(KINDS)}")
        params = body.get("params", {})
        if not isinstance(params, dict):
            raise BadInput("params: must be an object")
        if kind == "error" and not isinstance(params.get("code"), str):
            raise BadInput("params.code: is required with kind error")
        times = body.get("times")
        if times is not None and (not isinstance(times, int) or times < 1):
            raise BadInput("times: must be a whole number from 1")
        fault = self._simulator.faults.add(
            cloud=_text(body, "cloud", "*"),
            action=_text(body, "action", "*"),
            kind=kind,
            rate=_number(body, "rate", 1.0, 0.0, 1.0),
            times=times,
            params=params,
        )
        return web.json_response(vars(fault))

    async def _clear_faults(self, request: web.Request) -> web.Response:
        self._simulator.faults.script.clear()
        return web.json_response({})

    async def _remove_fault(self, request: web.Request) -> web.Response:
        number = request.match_info["fault_id"]
        if not number.isdigit() or not self._simulator.faults.remove(int(number)):
            raise BadInput(f"there is no fault {number}")
        return web.json_response({})

    async def _capacity(self, request: web.Request) -> web.Response:
        body = await _body(request, {"cloud", "zone", "instance_type", "count"})
        cloud = self._cloud(body.get("cloud"))
        zone = _text(body, "zone")
        if not cloud.catalog.region_of(zone):
            raise BadInput(f"zone: {zone} does not exist")
        count = body.get("count")
        if count is not None and (not isinstance(count, int) or count < 0):
            raise BadInput("count: must be a whole number from 0, or null for without end")
        cloud.set_capacity(zone, _text(body, "instance_type", "*"), count)
        cloud.commit()
        return web.json_response(cloud.capacity)

    async def _delays(self, request: web.Request) -> web.Response:
        body = await _body(request, {"cloud", *DELAYS})
        clouds = [self._cloud(body["cloud"])] if "cloud" in body else list(self._simulator.clouds.values())
        changes: dict[str, Any] = {}
        for name in DELAYS:
            if name in body:
                changes[name] = _seconds(name, body[name], pair=name in PAIRS)
        for cloud in clouds:
            for name, value in changes.items():
                setattr(cloud.delays, name, value)
        return web.json_response({cloud.provider: vars(cloud.delays) for cloud in clouds})

    async def _quotas(self, request: web.Request) -> web.Response:
        body = await _body(request, {"cloud", "account", "machines"})
        cloud = self._cloud(body.get("cloud"))
        account = self._account(cloud, _text(body, "account", f"demo-{cloud.provider}"))
        account.machine_quota = int(_number(body, "machines", 100_000, 0, 10**9))
        cloud.add_account(account)
        cloud.commit()
        return web.json_response({"machines": account.machine_quota})

    async def _rates(self, request: web.Request) -> web.Response:
        body = await _body(request, {"cloud", "action", "per_second", "burst"})
        per_second = body.get("per_second")
        if per_second is not None:
            per_second = _number(body, "per_second", 1.0, 0.0, 1e6)
        self._simulator.rates.set(
            _text(body, "cloud", "*"), _text(body, "action", "*"), per_second, _number(body, "burst", 1.0, 1.0, 1e6)
        )
        return web.json_response([vars(limit) for limit in self._simulator.rates.limits])

    async def _refunds(self, request: web.Request) -> web.Response:
        body = await _body(request, {"cloud", "count"})
        cloud = self._cloud(body.get("cloud"))
        count = body.get("count")
        if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 0):
            raise BadInput("count: must be a whole number from 0, or null for without end")
        cloud.refunds = count
        return web.json_response({"count": count})

    async def _clock(self, request: web.Request) -> web.Response:
        body = await _body(request, {"ahead"})
        self._simulator.ahead = float(_number(body, "ahead", 0.0, -1e6, 1e6))
        return web.json_response({"ahead": self._simulator.ahead})

    async def _list_accounts(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                name: [
                    {"access_key": account.access_key, "machine_quota": account.machine_quota}
                    for account in cloud.accounts.values()
                ]
                for name, cloud in self._simulator.clouds.items()
            }
        )

    async def _add_account(self, request: web.Request) -> web.Response:
        body = await _body(request, {"cloud", "access_key", "secret", "project_id", "machine_quota", "owner", "token"})
        cloud = self._cloud(body.get("cloud"))
        secret = _text(body, "secret")
        if len(secret) < 16:
            raise BadInput("secret: must have at least 16 characters, since Baidu's SDK needs as many")
        account = Account(
            _text(body, "access_key"),
            secret,
            _text(body, "project_id", ""),
            int(_number(body, "machine_quota", 100_000, 0, 10**9)),
            _text(body, "owner", ""),
            _text(body, "token", ""),
        )
        if account.owner and account.owner not in cloud.accounts:
            raise BadInput(f"owner: there is no account {account.owner}")
        cloud.add_account(account)
        cloud.commit()
        return web.json_response({"access_key": account.access_key})

    async def _change_machine(self, request: web.Request) -> web.Response:
        body = await _body(request, {"cloud", "boots_at", "fails", "visible_at", "protected", "expires_at"})
        cloud = self._cloud(body.pop("cloud", None))
        machine = cloud.change_machine(request.match_info["machine_id"], **body)
        cloud.commit()
        return web.json_response(to_json(machine))

    async def _delete_machine(self, request: web.Request) -> web.Response:
        for cloud in self._simulator.clouds.values():
            machine = cloud.machines.get(request.match_info["machine_id"])
            if machine is not None:
                cloud.delete_machines([machine])
                now = self._simulator.clock()
                cloud.change_machine(machine.machine_id, deleted_at=now, gone_at=now)
                cloud.commit()
                return web.json_response({})
        raise BadInput(f"there is no machine {request.match_info['machine_id']}")

    async def _show_networks(self, request: web.Request) -> web.Response:
        body = await _body(request, {"cloud", "visible_at"})
        cloud = self._cloud(body.get("cloud"))
        cloud.show_networks(request.match_info["network_id"], _number(body, "visible_at", 0.0, 0.0, 1e12))
        cloud.commit()
        return web.json_response({})

    async def _delete_network(self, request: web.Request) -> web.Response:
        network_id = request.match_info["network_id"]
        for cloud in self._simulator.clouds.values():
            if cloud.forget_network(network_id):
                cloud.commit()
                return web.json_response({})
        raise BadInput(f"network {network_id} not found")

    async def _reset(self, request: web.Request) -> web.Response:
        self._simulator.furnish(fresh=True)
        return web.json_response({})

    def _cloud(self, name: Any) -> SimCloud:
        cloud = self._simulator.clouds.get(name)
        if cloud is None:
            raise BadInput(f"cloud: must be one of {', '.join(self._simulator.clouds)}")
        return cloud

    @staticmethod
    def _account(cloud: SimCloud, key: str) -> Account:
        account = cloud.accounts.get(key)
        if account is None:
            raise BadInput(f"account: {cloud.provider} has no account {key}")
        return account


@web.middleware
async def _errors(request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
    try:
        response: web.StreamResponse = await handler(request)
    except BadInput as error:
        return web.json_response({"error": str(error)}, status=400)
    except SimError as error:
        return web.json_response({"error": error.message}, status=404)
    return response


async def _body(request: web.Request, allowed: set[str]) -> dict[str, Any]:
    try:
        body = json.loads(await request.read() or b"{}")
    except ValueError as error:
        raise BadInput(f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise BadInput("the body must be an object")
    unknown = sorted(set(body) - allowed)
    if unknown:
        raise BadInput(f"{', '.join(unknown)}: unknown; known are {', '.join(sorted(allowed))}")
    return body


def _text(body: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = body.get(name, default)
    if not isinstance(value, str):
        raise BadInput(f"{name}: must be a text")
    return value


def _number(body: Mapping[str, Any], name: str, default: float, least: float, most: float) -> float:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise BadInput(f"{name}: must be a number from {least:g} to {most:g}")
    return value


def _seconds(name: str, value: Any, *, pair: bool) -> Any:
    values = value if isinstance(value, list) else [value, value]
    if len(values) != 2 or not all(isinstance(part, (int, float)) and part >= 0 for part in values):
        raise BadInput(f"{name}: must be seconds, or [least, most]")
    return (float(min(values)), float(max(values))) if pair else float(values[0])
