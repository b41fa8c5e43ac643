"""The tags that every machine carries from its creation on, by which it is found again."""

from __future__ import annotations

from collections.abc import Mapping

from bridgx_server.providers.base import Machine
from bridgx_server.scaling.engine import Template
from bridgx_server.store.chunks import Chunk

INSTALLATION = "bridgx"
CLUSTER = "bridgx-cluster"
TASK = "bridgx-task"
CHUNK = "bridgx-chunk"


def of_chunk(installation: str, template: Template, chunk: Chunk) -> dict[str, str]:
    """All tags of the machines that the chunk asks for; ours win over the template's."""
    return {
        **template.tags,
        INSTALLATION: installation,
        CLUSTER: str(template.cluster_id),
        TASK: str(chunk.task_id),
        CHUNK: chunk.token,
    }


def find_chunk(chunk: Chunk) -> Mapping[str, str]:
    """The tags that the chunk's machines, and no others, carry."""
    return {CHUNK: chunk.token}


def find_installation(installation: str) -> Mapping[str, str]:
    """The tags that this store's machines, and no others, carry."""
    return {INSTALLATION: installation}


def is_of(installation: str, machine: Machine) -> bool:
    """Whether a machine that a cloud has listed is this store's; what another installation made is never touched."""
    return machine.tags.get(INSTALLATION) == installation
