"""The Python client of BridgX: `Client` with its `Tls`, and the messages and stubs in `bridgx.v1`."""

from __future__ import annotations

from bridgx.client import Client
from bridgx.errors import Failure, failure_of
from bridgx.tls import Tls

__all__ = ["Client", "Failure", "Tls", "failure_of"]
