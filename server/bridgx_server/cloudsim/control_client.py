"""A client of the control API, for tests, the demo and rehearsals."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

TIMEOUT = 60.0  # seconds


class ControlError(Exception):
    """The control API refused; the text is its own."""


class ControlClient:
    """Calls the control API of a running simulator."""

    def __init__(self, control_url: str) -> None:
        self._url = control_url.rstrip("/")

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One request; returns the JSON answer. Raises ControlError."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise ControlError(json.load(error)["error"]) from None

    def state(self, cloud: str) -> dict[str, Any]:
        """Everything that exists in a cloud."""
        state: dict[str, Any] = self.call("GET", f"/state?cloud={urllib.parse.quote(cloud)}")[cloud]
        return state

    def machines(self, cloud: str) -> list[dict[str, Any]]:
        """The machines of a cloud that have not been deleted."""
        return [row for row in self.state(cloud)["machines"] if row["state"] not in ("deleting", "deleted", "gone")]

    def calls(self, cloud: str, action: str = "") -> list[dict[str, Any]]:
        """The calls that a cloud has had, oldest first."""
        query = {"cloud": cloud, **({"action": action} if action else {})}
        rows: list[dict[str, Any]] = self.call("GET", f"/calls?{urllib.parse.urlencode(query)}")["calls"]
        return rows

    def fault(self, kind: str, cloud: str = "*", action: str = "*", **fields: Any) -> int:
        """Scripts a fault; ``rate``, ``times`` and ``params`` as the API has them. Returns its number."""
        body = {"kind": kind, "cloud": cloud, "action": action, **fields}
        return int(self.call("POST", "/faults", body)["fault_id"])

    def clear_faults(self) -> None:
        """Ends all faults."""
        self.call("DELETE", "/faults")

    def delays(self, **fields: Any) -> None:
        """Sets delays, in seconds or pairs of them; ``cloud`` limits it to one."""
        self.call("POST", "/delays", fields)

    def show_networks(self, cloud: str, network_id: str = "*", visible_at: float = 0.0) -> None:
        """From when on (seconds since the epoch) calls know a VPC, subnet or security group, or all of them."""
        self.call("POST", f"/networks/{network_id}", {"cloud": cloud, "visible_at": visible_at})

    def capacity(self, cloud: str, zone: str, count: int | None, instance_type: str = "*") -> None:
        """Sets what is in stock."""
        self.call("POST", "/capacity", {"cloud": cloud, "zone": zone, "instance_type": instance_type, "count": count})

    def quota(self, cloud: str, machines: int) -> None:
        """Sets how many machines the demo account may have."""
        self.call("POST", "/quotas", {"cloud": cloud, "machines": machines})

    def rate(self, cloud: str, action: str, per_second: float | None, burst: float = 1.0) -> None:
        """Sets how many calls of an action a cloud takes; None lifts the limit."""
        body = {"cloud": cloud, "action": action, "per_second": per_second, "burst": burst}
        self.call("POST", "/rates", body)

    def change_machine(self, cloud: str, machine_id: str, **fields: Any) -> None:
        """Changes a machine behind everyone's back; the fields as the API has them."""
        self.call("POST", f"/machines/{urllib.parse.quote(machine_id)}", {"cloud": cloud, **fields})

    def protect(self, cloud: str, machine_id: str, *, protected: bool = True) -> None:
        """Switches the cloud's own deletion protection of a machine on or off."""
        self.change_machine(cloud, machine_id, protected=protected)

    def expire(self, cloud: str, machine_id: str, at: float = 1.0) -> None:
        """Lets what was paid in advance for a machine end at a time, in seconds since the epoch; else long ago."""
        self.change_machine(cloud, machine_id, expires_at=at)

    def hide(self, cloud: str, machine_id: str, until: float = 10.0**11) -> None:
        """Lets a cloud know nothing of a machine, in any call, until a time in seconds since the epoch; it lives on."""
        self.change_machine(cloud, machine_id, visible_at=until)

    def refunds(self, cloud: str, count: int | None) -> None:
        """Sets how many machines paid in advance a cloud takes back from now on; None: without end."""
        self.call("POST", "/refunds", {"cloud": cloud, "count": count})

    def reset(self) -> None:
        """Makes everything as on the first day."""
        self.call("POST", "/reset")
