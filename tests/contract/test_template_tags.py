"""A template's tags are those of its machines, on every cloud: none is dropped or put in the place of another."""

from __future__ import annotations

import pytest
from bridgx_server.cloudsim.control_client import ControlClient
from contract.clusters import REGIONS, a_network, a_place, template
from contract.conftest import Api

TAGS = {"Name": "web-of-team-a", "team": "a"}


@pytest.mark.parametrize("cloud", list(REGIONS))
def test_machines_carry_the_tags_of_their_template(api: Api, control: ControlClient, cloud: str) -> None:
    place = a_place(api, cloud)
    body = template(cloud, place, a_network(api, cloud, place), tags=TAGS)
    name = api.post("cluster/create", body)
    task = api.post("cluster/expand", {"cluster_name": name, "task_name": "grow", "count": 2})
    assert api.ended(task)["status"] == "SUCCESS"
    rows = api.get("instance/describe_all", cluster_name=name)["instance_list"]
    ids = {row["instance_id"] for row in rows}
    found = [row["tags"] for row in control.machines(cloud) if row["machine_id"] in ids]
    assert len(found) == 2
    for tags in found:
        assert TAGS.items() <= tags.items()
        assert {"bridgx", "bridgx-cluster", "bridgx-task", "bridgx-chunk"} <= set(tags)


def test_tags_of_our_own_cannot_be_asked_for(api: Api) -> None:
    place = a_place(api, "AWSCloud")
    body = template("AWSCloud", place, {"vpc": "v", "subnet_id": "s", "security_group": "g"}, tags={"bridgx-task": "1"})
    told = api.refused("cluster/create", body)
    assert (told["code"], told["msg"]) == (400, "param_invalid")
    assert "must not begin with bridgx" in told["error"]["message"]
