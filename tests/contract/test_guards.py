"""What keeps a cluster from growing, shrinking or going by mistake, over REST on every simulated cloud."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from bridgx_server.cloudsim.control_client import ControlClient
from bridgx_server.cloudsim.front import FRONTS
from contract.clusters import PASSWORD, a_network, a_place, template
from contract.conftest import Api, until


@dataclass(frozen=True)
class World:
    """A network, and clusters made in it."""

    api: Api
    control: ControlClient
    cloud: str
    place: dict[str, str]
    network: dict[str, str]

    def cluster(self, machines: int = 0, **changes: Any) -> str:
        name: str = self.api.post("cluster/create", template(self.cloud, self.place, self.network, **changes))
        for _ in range(machines):  # one after the other, so that one is the oldest
            self.expand(name, 1)
        return name

    def expand(self, name: str, count: int) -> dict[str, Any]:
        return self.api.ended(self.api.post("cluster/expand", {"cluster_name": name, "task_name": "t", "count": count}))

    def shrink(self, name: str, **how: Any) -> dict[str, Any]:
        return self.api.ended(self.api.post("cluster/shrink", {"cluster_name": name, "task_name": "t", **how}))

    def machines(self, name: str) -> list[dict[str, Any]]:
        """The running machines, oldest first."""
        rows = self.api.get("instance/describe_all", cluster_name=name, status="running", page_size=50)
        return list(reversed(rows["instance_list"]))

    def ids(self, name: str) -> list[str]:
        return [machine["instance_id"] for machine in self.machines(name)]


@pytest.fixture(scope="module", params=sorted(FRONTS))
def world(request: pytest.FixtureRequest, api: Api, control: ControlClient) -> World:
    place = a_place(api, request.param)
    return World(api, control, request.param, place, a_network(api, request.param, place))


@pytest.fixture
def waiting(world: World) -> Iterator[str]:
    """A cluster whose tasks do not end until the faults are cleared, since the cloud throttles every call."""
    name = world.cluster()
    world.control.fault("throttle", cloud=world.cloud)
    yield name
    world.control.clear_faults()


def fields_of(envelope: dict[str, Any]) -> set[str]:
    return {row["field"] for detail in envelope["error"]["details"] for row in detail.get("fieldViolations", ())}


def test_a_cluster_is_described_with_all_but_its_password(world: World) -> None:
    name = world.cluster(1, tags={"team": "a"}, termination_policy="newest")
    (machine,) = world.ids(name)
    world.api.post("instance/protect", {"cluster_name": name, "instance_ids": [machine]})
    answer = world.api.client.get("cluster/describe", params={"cluster_name": name})
    assert PASSWORD not in answer.text
    cluster = world.api.data(answer)
    place = {key: world.place[key] for key in ("zone_id", "instance_type")}
    assert cluster.pop("cluster_id").isdigit()
    assert cluster.pop("create_at")
    assert cluster == {
        "cluster_name": name,
        "provider": world.cloud,
        "account_key": f"demo-{world.cloud}",
        "region_id": world.place["region_id"],
        "placements": [{**place, "subnet_id": world.network["subnet_id"]}],
        "network_config": {
            **world.network,
            "internet_charge_type": "PayByTraffic",
            "internet_max_bandwidth_out": 0,
        },
        "charge_config": {"charge_type": "PostPaid", "period_unit": "", "period": 0},
        "image": world.place["image"],
        "disks": {
            "system_disk": {"category": "cloud_efficiency", "size": 50},
            "data_disk": [{"category": "cloud_efficiency", "size": 50}],
        },
        "desc": "cluster for testing",
        "tags": {"team": "a"},
        "max_machines": 200,
        "termination_policy": "newest",
        "create_by": "demo",
        "used": 1,
        "protected_machines": 1,
        "open_tasks": 0,
    }
    assert world.api.refused("cluster/describe", cluster_name="nobody")["msg"] == "cluster_not_found"


def test_a_quota_is_changed_and_deletes_nothing(world: World) -> None:
    name = world.cluster(2)
    changed = world.api.post("cluster/update", {"cluster_name": name, "max_machines": 1})
    assert (changed["max_machines"], changed["used"]) == (1, 2)
    body = {"cluster_name": name, "task_name": "t", "count": 1}
    envelope = world.api.refused("cluster/expand", body)
    assert (envelope["code"], envelope["msg"]) == (429, "quota_exceeded")
    assert len(world.ids(name)) == 2
    plan = world.api.post("cluster/expand/plan", {"cluster_name": name, "count": 1})
    assert not plan["feasible"]
    assert [(row["reason"], row["field"]) for row in plan["refusals"]] == [("quota_exceeded", "count")]
    assert (plan["max_machines"], plan["used"], plan["coming"]) == (1, 2, 0)
    world.api.post("cluster/update", {"cluster_name": name, "max_machines": 3, "desc": ""})
    assert world.expand(name, 1)["status"] == "SUCCESS"
    cluster = world.api.get("cluster/describe", cluster_name=name)
    assert (cluster["desc"], cluster["termination_policy"]) == ("", "random")
    assert fields_of(world.api.refused("cluster/update", {"cluster_name": name})) == {"max_machines"}
    refused = world.api.refused("cluster/update", {"cluster_name": "nobody", "desc": "x"})
    assert refused["msg"] == "cluster_not_found"


def test_a_cluster_is_deleted_only_when_nothing_is_left_and_its_history_stays(world: World) -> None:
    name = world.cluster(1)
    (machine,) = world.ids(name)
    envelope = world.api.refused("cluster/delete", {"cluster_name": name})
    assert (envelope["code"], envelope["msg"]) == (409, "conflict")
    assert "1 machines" in envelope["error"]["message"]
    task = world.shrink(name, count=1)
    used = world.api.get("instance/usage_total", cluster_name=name)
    once = {"Idempotency-Key": f"delete-{world.cloud}"}
    assert world.api.post("cluster/delete", {"cluster_name": name}, **once) == name
    assert world.api.post("cluster/delete", {"cluster_name": name}, **once) == name
    assert world.api.refused("cluster/delete", {"cluster_name": name})["msg"] == "cluster_not_found"
    assert world.api.refused("cluster/describe", cluster_name=name)["msg"] == "cluster_not_found"
    body = {"cluster_name": name, "task_name": "t", "count": 1}
    assert world.api.refused("cluster/expand", body)["msg"] == "cluster_not_found"
    listed = world.api.get("cluster/describe_all", account=f"demo-{world.cloud}", page_size=50)["cluster_list"]
    assert name not in {row["cluster_name"] for row in listed}
    assert world.api.get("task/describe", task_id=task["task_id"])["deleted"] == 1
    assert world.api.get("instance/id/describe", instance_id=machine)["status"] == "Deleted"
    assert world.api.get("instance/usage_total", cluster_name=name) == used
    # The name is free again, for a cluster of its own.
    again = world.api.post("cluster/create", template(world.cloud, world.place, world.network, name=name))
    assert world.api.get("cluster/describe", cluster_name=again)["used"] == 0


def test_a_cluster_with_a_task_is_not_deleted(world: World, waiting: str) -> None:
    task_id = world.api.post("cluster/expand", {"cluster_name": waiting, "task_name": "t", "count": 2})
    envelope = world.api.refused("cluster/delete", {"cluster_name": waiting})
    assert (envelope["code"], envelope["msg"]) == (409, "conflict")
    assert "1 tasks" in envelope["error"]["message"]
    world.api.post("task/cancel", {"task_id": task_id})
    world.control.clear_faults()
    assert world.api.ended(task_id)["status"] == "CANCELED"
    if not world.ids(waiting):
        assert world.api.post("cluster/delete", {"cluster_name": waiting}) == waiting


def test_protected_machines_are_never_chosen_and_cannot_be_named(world: World) -> None:
    name = world.cluster()
    world.expand(name, 4)
    by_id, by_ip, third, _ = world.machines(name)
    answer = world.api.post(
        "instance/protect",
        {"cluster_name": name, "instance_ids": [by_id["instance_id"]], "ips": [by_ip["ip_inner"]]},
    )
    kept = {by_id["instance_id"], by_ip["instance_id"]}
    assert set(answer["instance_ids"]) == kept
    rows = world.api.get("instance/describe_all", cluster_name=name)["instance_list"]
    assert {row["instance_id"] for row in rows if row["protected"]} == kept
    assert world.api.get("instance/id/describe", instance_id=by_id["instance_id"])["protected"] is True
    named = {"cluster_name": name, "task_name": "t", "ips": [third["ip_inner"], by_ip["ip_inner"]]}
    envelope = world.api.refused("cluster/shrink", named)
    assert (envelope["code"], fields_of(envelope)) == (400, {"ips[1]"})
    assert by_ip["instance_id"] in envelope["error"]["message"]
    assert "protected" in envelope["error"]["message"]
    too_many = world.api.refused("cluster/shrink", {"cluster_name": name, "task_name": "t", "count": 3})
    assert (too_many["code"], fields_of(too_many)) == (400, {"count"})
    plan = world.api.post("cluster/shrink/plan", {"cluster_name": name, "ips": named["ips"]})
    assert (plan["feasible"], [row["field"] for row in plan["refusals"]]) == (False, ["ips[1]"])
    assert world.shrink(name, count=2)["deleted"] == 2
    assert set(world.ids(name)) == kept
    ended = world.api.post("instance/unprotect", {"cluster_name": name, "ips": [by_ip["ip_inner"]]})
    assert ended["instance_ids"] == [by_ip["instance_id"]]
    assert world.shrink(name, ips=[by_ip["ip_inner"]])["deleted"] == 1
    assert world.ids(name) == [by_id["instance_id"]]


def test_exactly_the_machines_named_by_id_go(world: World) -> None:
    name, other = world.cluster(), world.cluster(1)
    world.expand(name, 4)
    first, second, third, fourth = world.ids(name)
    (stranger,) = world.ids(other)
    world.api.post("instance/protect", {"cluster_name": name, "instance_ids": [fourth]})
    shrink = {"cluster_name": name, "task_name": "t"}
    wrong = {"instance_ids": [first, stranger, "i-none", fourth]}
    for path, body in (
        ("cluster/shrink", {**shrink, **wrong}),
        ("cluster/shrink/plan", {"cluster_name": name, **wrong}),
    ):
        if path.endswith("plan"):
            plan = world.api.post(path, body)
            assert not plan["feasible"]
            said = {row["field"]: row["message"] for row in plan["refusals"]}
        else:
            envelope = world.api.refused(path, body)
            said = {row["field"]: row["description"] for row in envelope["error"]["details"][1]["fieldViolations"]}
        assert set(said) == {"instance_ids[1]", "instance_ids[2]", "instance_ids[3]"}
        assert stranger in said["instance_ids[1]"]
        assert said["instance_ids[3]"] == f"{fourth} is protected from deletion"
    for wrong, field in (
        ({"instance_ids": [first], "count": 2}, "count"),
        ({"instance_ids": [first], "ips": ["10.0.0.1"]}, "instance_ids"),
        ({"instance_ids": [first], "termination_policy": "oldest"}, "termination_policy"),
        ({"instance_ids": [first, first]}, "instance_ids"),
        ({"instance_ids": [], "ips": []}, "count"),
        ({"instance_id": [first], "count": 1}, "instance_id"),
    ):
        assert fields_of(world.api.refused("cluster/shrink", {**shrink, **wrong})) == {field}
    assert set(world.ids(name)) == {first, second, third, fourth}
    plan = world.api.post("cluster/shrink/plan", {"cluster_name": name, "instance_ids": [third, first]})
    assert (plan["feasible"], plan["count"], plan["termination_policy"]) == (True, 2, "")
    assert [victim["instance_id"] for victim in plan["victims"]] == [third, first]
    task = world.shrink(name, instance_ids=[third, first], count=2)
    assert (task["status"], task["deleted"], task["termination_policy"]) == ("SUCCESS", 2, "")
    assert set(world.ids(name)) == {second, fourth}
    assert world.ids(other) == [stranger]


def test_protection_names_what_it_cannot_find_and_then_protects_nothing(world: World) -> None:
    name, other = world.cluster(1), world.cluster(1)
    (machine,), (stranger,) = world.machines(name), world.machines(other)
    wrong = {
        "cluster_name": name,
        "instance_ids": [machine["instance_id"], stranger["instance_id"]],
        "ips": ["203.0.113.9"],
    }
    assert fields_of(world.api.refused("instance/protect", wrong)) == {"instance_ids[1]", "ips[0]"}
    assert not world.machines(name)[0]["protected"]
    nobody = world.api.refused("instance/protect", {"cluster_name": "nobody", "ips": ["10.0.0.1"]})
    assert nobody["msg"] == "cluster_not_found"


def test_the_policy_chooses_the_oldest_or_the_newest_and_the_plan_says_which(world: World) -> None:
    name = world.cluster(4, termination_policy="oldest")
    first, second, third, fourth = world.ids(name)
    world.api.post("instance/protect", {"cluster_name": name, "instance_ids": [first]})

    def planned(**how: Any) -> list[str]:
        plan = world.api.post("cluster/shrink/plan", {"cluster_name": name, **how})
        assert plan["feasible"], plan
        assert (plan["candidates"], plan["protected_machines"], plan["count"]) == (3, 1, 1)
        assert [chunk["count"] for chunk in plan["chunks"]] == [1]
        assert plan["seconds"] > 0
        return [victim["instance_id"] for victim in plan["victims"]]

    assert planned(count=1) == [second]
    assert planned(count=1, termination_policy="newest") == [fourth]
    assert planned(count=1, termination_policy="random") == []
    third_ip = world.api.get("instance/id/describe", instance_id=third)["ip_inner"]
    assert planned(ips=[third_ip]) == [third]
    assert world.ids(name) == [first, second, third, fourth]
    task = world.shrink(name, count=1)
    assert (task["deleted"], task["termination_policy"]) == (1, "oldest")
    assert world.ids(name) == [first, third, fourth]
    world.shrink(name, count=1, termination_policy="newest")
    assert world.ids(name) == [first, third]
    world.api.post("cluster/update", {"cluster_name": name, "termination_policy": "newest"})
    assert (
        world.api.post("cluster/shrink/plan", {"cluster_name": name, "count": 1})["victims"][0]["instance_id"] == third
    )


def test_the_plan_of_an_expand_says_what_would_be_asked_and_asks_for_nothing(world: World) -> None:
    name = world.cluster()
    before = len(world.control.machines(world.cloud))
    plan = world.api.post("cluster/expand/plan", {"cluster_name": name, "count": 150})
    assert (plan["feasible"], plan["refusals"]) == (True, [])
    assert sum(chunk["count"] for chunk in plan["chunks"]) == 150
    assert {chunk["zone_id"] for chunk in plan["chunks"]} == {world.place["zone_id"]}
    (placement,) = plan["placements"]
    assert placement["dry_run"] in ("accepted", "not_offered")
    assert placement["instance_type"] == world.place["instance_type"]
    assert (plan["used"], plan["coming"], plan["tasks_before"]) == (0, 0, 0)
    assert plan["seconds"] > 0
    assert len(world.control.machines(world.cloud)) == before
    assert world.api.get("task/list", cluster_name=name)["pager"]["total"] == 0
    assert (
        world.api.refused("cluster/expand/plan", {"cluster_name": "nobody", "count": 1})["msg"] == "cluster_not_found"
    )


def test_what_the_cloud_refuses_in_its_dry_run_is_in_the_plan(world: World) -> None:
    name = world.cluster()
    if (
        world.api.post("cluster/expand/plan", {"cluster_name": name, "count": 1})["placements"][0]["dry_run"]
        != "accepted"
    ):
        pytest.skip(f"{world.cloud} has no dry run")
    fault = world.control.fault("throttle", cloud=world.cloud)
    (placement,) = world.api.post("cluster/expand/plan", {"cluster_name": name, "count": 1})["placements"]
    world.control.call("DELETE", f"/faults/{fault}")
    assert (placement["dry_run"], placement["reason"]) == ("unanswered", "throttled")


def test_a_task_that_waits_is_canceled_at_once_and_gives_back_what_it_named(world: World, waiting: str) -> None:
    world.control.clear_faults()
    world.expand(waiting, 2)
    kept = world.machines(waiting)
    world.control.fault("throttle", cloud=world.cloud)
    first = world.api.post("cluster/expand", {"cluster_name": waiting, "task_name": "first", "count": 1})
    until(lambda: world.api.get("task/describe", task_id=first)["status"] == "RUNNING")
    named = {"cluster_name": waiting, "task_name": "second", "ips": [kept[0]["ip_inner"]]}
    second = world.api.post("cluster/shrink", named)
    assert fields_of(world.api.refused("cluster/shrink", named)) == {"ips[0]"}
    chosen = world.api.refused("instance/protect", {"cluster_name": waiting, "ips": named["ips"]})
    assert fields_of(chosen) == {"ips[0]"}
    assert world.api.post("task/cancel", {"task_id": second})["status"] == "CANCELED"
    task = world.api.get("task/describe", task_id=second)
    assert (task["status"], task["phase"], task["failed"], task["created_machines"]) == (
        "CANCELED",
        "FINISHED",
        1,
        "keep",
    )
    assert world.api.get("task/describe", task_id=first)["status"] == "RUNNING"
    world.control.clear_faults()
    assert world.api.ended(first)["status"] == "SUCCESS"
    assert world.shrink(waiting, ips=[kept[0]["ip_inner"]])["deleted"] == 1


def test_progress_by_phase_and_the_timeline_of_each_chunk(world: World) -> None:
    name = world.cluster()
    task_id = world.api.post("cluster/expand", {"cluster_name": name, "task_name": "t", "count": 12})
    states, chunks = [], {}
    with world.api.client.stream("GET", "task/watch", params={"task_id": task_id}) as stream:
        for state in events(stream):
            states.append(state)
            chunks.update({chunk["index"]: chunk for chunk in state["chunks"]})
    for state in states:
        progress = state["progress"]
        assert sum(progress.values()) == state["asked"] == 12
        waiting = ("planned", "requested", "booting", "deleting")
        assert sum(progress[phase] for phase in waiting) == state["pending"]
    assert states[-1]["progress"]["running"] == 12
    task = world.api.get("task/describe", task_id=task_id)
    assert task["progress"] == states[-1]["progress"]
    # What the stream said of each chunk last is what it has come to.
    assert [chunks[index] for index in sorted(chunks)] == task["chunks"]
    for chunk in task["chunks"]:
        times = [
            chunk[f"{name}_at"] for name in ("planned", "sent", "accepted", "first_running", "last_running", "finished")
        ]
        assert times == sorted(times)
        assert (chunk["status"], chunk["attempts"], chunk["replacement"]) == ("DONE", 1, False)
        assert chunk["subnet_id"] == world.network["subnet_id"]
    task = world.shrink(name, count=5)
    assert task["progress"]["deleted"] == 5
    assert sum(chunk["deleted"] for chunk in task["chunks"]) == 5


def events(stream: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in stream.iter_lines():
        if line.startswith("data:"):
            yield httpx.Response(200, content=line.removeprefix("data:")).json()
