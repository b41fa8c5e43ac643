"""What a call is on the wire."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bridgx_server.cloudsim.core import SimCloud
from bridgx_server.cloudsim.front import Call
from bridgx_server.cloudsim.huawei.shapes import Field


@dataclass(frozen=True)
class Route:
    """A call. ``path`` has its parameters in braces; ``invalid`` is the code of a parameter that is wrong; ``status`` that
    of a success; ``token`` says whether it knows X-Client-Token."""

    action: str
    service: str
    invalid: str
    method: str
    path: str
    perform: Callable[[Call, SimCloud], dict[str, Any]]
    query: Mapping[str, Field] = field(default_factory=dict)
    body: Mapping[str, Field] = field(default_factory=dict)
    status: int = 200
    token: bool = False

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """The parameters of the path, None where this is another call."""
        if method != self.method:
            return None
        found = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path), path)
        return None if found is None else found.groupdict()
