"""The calls of IAM: regions, the account ("domain") and its projects, one for each region and named after it."""

from __future__ import annotations

import hashlib
from typing import Any

from bridgx_server.cloudsim.core import SimCloud
from bridgx_server.cloudsim.entities import Account
from bridgx_server.cloudsim.front import Call
from bridgx_server.cloudsim.huawei.shapes import chosen

FIRST_REGION = "cn-north-4"  # where the project that an account was registered with lies


def projects_of(account: Account, cloud: SimCloud) -> dict[str, str]:
    """The account's project in each region, by region."""
    made = {
        region: hashlib.sha256(f"{account.access_key}/{region}".encode()).hexdigest()[:32]
        for region in cloud.catalog.regions
    }
    return {**made, FIRST_REGION: account.project_id or made[FIRST_REGION]}


def list_regions(call: Call, cloud: SimCloud) -> dict[str, Any]:
    rows = [
        {
            "id": region,
            "type": "public",
            "description": "",
            "parent_region_id": None,
            "links": {"self": f"https://iam.myhuaweicloud.com/v3/regions/{region}"},
            "locales": {"zh-cn": name, "en-us": region},
        }
        for region, name in cloud.catalog.regions.items()
    ]
    return {"regions": rows, "links": _links("regions")}


def list_projects(call: Call, cloud: SimCloud) -> dict[str, Any]:
    parameters = {name: value for name, value in call.parameters.items() if name not in ("page", "per_page")}
    return {"projects": chosen(_projects(call, cloud), parameters), "links": _links("projects")}


def list_auth_projects(call: Call, cloud: SimCloud) -> dict[str, Any]:
    return {"projects": _projects(call, cloud), "links": _links("auth/projects")}


def list_auth_domains(call: Call, cloud: SimCloud) -> dict[str, Any]:
    row = {
        "id": domain_of(call.account),
        "name": call.account,
        "enabled": True,
        "description": "",
        "links": {"self": f"https://iam.myhuaweicloud.com/v3/domains/{domain_of(call.account)}"},
    }
    return {"domains": [row], "links": _links("auth/domains")}


def domain_of(account: str) -> str:
    """The account's own id."""
    return hashlib.sha256(account.encode()).hexdigest()[:32]


def _projects(call: Call, cloud: SimCloud) -> list[dict[str, Any]]:
    domain = domain_of(call.account)
    return [
        {
            "id": project,
            "name": region,
            "domain_id": domain,
            "parent_id": domain,
            "is_domain": False,
            "enabled": True,
            "description": "",
            "links": {"self": f"https://iam.myhuaweicloud.com/v3/projects/{project}"},
        }
        for region, project in projects_of(cloud.accounts[call.account], cloud).items()
    ]


def _links(what: str) -> dict[str, Any]:
    return {"self": f"https://iam.myhuaweicloud.com/v3/{what}", "previous": None, "next": None}
