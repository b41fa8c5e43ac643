"""No cloud escapes the suite."""

from __future__ import annotations

from bridgx_server.cloudsim.front import FRONTS
from bridgx_server.providers.registry import ADAPTERS
from wire.conformance.clouds import CLOUDS


def test_every_cloud_that_is_simulated_is_in_the_suite() -> None:
    missing = set(FRONTS) - {cloud.provider for cloud in CLOUDS}

    assert not missing, "add a row to tests/wire/conformance/clouds.py, then write its golden file (UPDATE_GOLDEN=1)"


def test_every_row_is_a_cloud_with_an_adapter_once() -> None:
    names = [cloud.provider for cloud in CLOUDS]

    assert set(names) <= set(ADAPTERS)
    assert len(names) == len(set(names))
