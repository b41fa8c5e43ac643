"""The Python client of BridgX: `Client`, and the messages and stubs in `bridgx.v1`."""

from __future__ import annotations

from bridgx.client import Client
from bridgx.errors import Failure, failure_of

__all__ = ["Client", "Failure", "failure_of"]
