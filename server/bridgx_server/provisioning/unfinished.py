"""Requests for networks that were cut off and that nobody repeats: finished, or undone, without their caller."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from google.protobuf import json_format
from google.protobuf.message import Message

from bridgx_server.errors import BridgXError
from bridgx_server.providers.errors import ProviderError
from bridgx_server.provisioning.claims import Claims
from bridgx_server.provisioning.once import Attempt, attempted
from bridgx_server.store import requests
from bridgx_server.store.leases import Lease, LeaseLost
from bridgx_server.store.requests import Unfinished

log = structlog.get_logger("bridgx.unfinished")

Perform = Callable[[Message, Attempt], str]


@dataclass(frozen=True)
class Sweep:
    """Carries on what has been idle for ``idle`` seconds.

    That is longer than a call can last that someone still waits for. ``perform`` does what a request of one of
    ``messages`` asks for. Each is claimed, as its caller's own attempts are.
    """

    claims: Claims
    messages: Mapping[str, type[Message]]
    perform: Perform
    idle: float

    def run(self) -> int:
        """Works on every request that is due, once; returns how many there were."""
        number = 0
        while (found := self.claims.claim_idle(self.idle)) is not None:
            number += 1
            self._carry_on(*found)
        return number

    def _carry_on(self, found: Unfinished, lease: Lease) -> None:
        key = found.key
        try:
            payload = json.loads(found.payload)
            attempt = Attempt(self.claims, payload["caller"], key, lease, orphaned=True)
            request = json_format.ParseDict(
                payload["request"], self.messages[key.operation](), ignore_unknown_fields=True
            )
            answer = attempted(attempt, lambda attempt: self.perform(request, attempt))
        except LeaseLost:
            return  # its caller has come back, or another process goes on with it
        except (BridgXError, ProviderError) as error:
            log.warning("request not finished", operation=key.operation, request_id=key.request_id, error=str(error))
            return
        except Exception:
            # It is tried again as late as any other; the others must not wait for somebody to mend it.
            log.exception("request cannot be finished", operation=key.operation, request_id=key.request_id)
            requests.release(self.claims.store, lease)
            return
        log.info(
            "request finished without its caller" if answer else "request undone without its caller",
            operation=key.operation,
            request_id=key.request_id,
            answer=answer,
        )
