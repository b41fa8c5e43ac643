"""Whose an access key is: the same for all keys of one account, another for another's, and asked for in one call."""

from __future__ import annotations

import pytest
from bridgx_server.providers.base import Credentials, ErrorClass, Provider, ProviderSettings
from bridgx_server.providers.registry import ProviderRegistry
from wire.conformance.world import World

# What a key that may not ask is refused with, in the vendor's words.
DENIED = {
    "AlibabaCloud": ("NoPermission", 403),
    "HuaweiCloud": ("IAM.0003", 403),
    "TencentCloud": ("UnauthorizedOperation", 200),
    "AWSCloud": ("AccessDenied", 403),
}


def with_key(world: World, key: str, owner: str = "") -> Provider:
    secret = f"the-secret-of-{key}"
    body = {"cloud": world.cloud.provider, "access_key": key, "secret": secret, "owner": owner}
    world.control.call("POST", "/accounts", body)
    registry = ProviderRegistry({world.cloud.provider: ProviderSettings(endpoint=world.endpoint)})
    return registry.get(Credentials(world.cloud.provider, key, secret))


def test_all_keys_of_an_account_have_its_id_and_no_other_has(world: World) -> None:
    own = world.provider.cloud_account_id()
    second = with_key(world, "second-key", f"demo-{world.cloud.provider}").cloud_account_id()
    stranger = with_key(world, "key-of-a-stranger").cloud_account_id()
    if not world.cloud.tells_account:
        assert (own, second, stranger) == ("", "", "")
        assert world.control.calls(world.cloud.provider) == []
        return
    assert own == second != stranger
    assert own
    assert stranger
    assert len(world.control.calls(world.cloud.provider)) == 3


def test_a_refusal_has_its_class(world: World) -> None:
    if not world.cloud.tells_account:
        pytest.skip("nothing is asked")
    assert world.refused(world.with_wrong_secret().cloud_account_id).kind is ErrorClass.BAD_CREDENTIALS
    for fault, kind in (("throttle", ErrorClass.THROTTLED), ("unavailable", ErrorClass.UNAVAILABLE)):
        world.fault(fault, "*")
        assert world.refused(world.provider.cloud_account_id).kind is kind
        world.control.clear_faults()
    code, status = DENIED[world.cloud.provider]
    world.fault("error", "*", code=code, status=status)
    assert world.refused(world.provider.cloud_account_id).kind is ErrorClass.PERMISSION_DENIED


def test_a_clock_that_is_off_is_told_as_that_on_every_call(world: World) -> None:
    order = world.machines(1)
    for ahead in (-7200.0, 7200.0):
        if ahead < 0 and world.cloud.provider == "BaiduCloud":
            continue  # its signatures hold from their own time on; of a time to come its documents say nothing
        world.control.call("POST", "/clock", {"ahead": ahead})
        for call in (
            world.provider.list_regions,
            lambda: world.provider.create_machines(order),
            lambda: world.provider.describe_machines(world.cloud.region, ["i-1234567890abcdef0"]),
        ):
            error = world.refused(call)
            assert error.kind is ErrorClass.CLOCK_SKEW, (ahead, error)
            assert error.vendor_code
    world.control.call("POST", "/clock", {"ahead": 0})
    assert world.ids_in_the_cloud() == set()
