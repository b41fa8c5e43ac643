"""Limits as text, the vendors' tables, and which of them counts for a call."""

from __future__ import annotations

import importlib

import click
import pytest
from bridgx_server.options import settings_of
from bridgx_server.providers.gate import ApiLimit, Rate, RateTable, api_name
from bridgx_server.providers.rates import CAUTIOUS, InvalidRates, RateOverride, limit_of, parse, window
from bridgx_server.settings import Settings

CLOUDS = ("AlibabaCloud", "AWSCloud")


@pytest.mark.parametrize(
    ("text", "override"),
    [
        ("AWSCloud.RunInstances=2/s+5", RateOverride("AWSCloud", "RunInstances", False, Rate(2, 5))),
        ("*.Describe*=300/60s", RateOverride("*", "Describe*", False, Rate(5, 5))),
        ("AWSCloud.RunInstances:machines=120/m+100", RateOverride("AWSCloud", "RunInstances", True, Rate(2, 100))),
        ("AlibabaCloud.*=0.5/s", RateOverride("AlibabaCloud", "*", False, Rate(0.5, 1))),
        ("*.*=off", RateOverride("*", "*", False, None)),
    ],
)
def test_a_limit_is_read(text: str, override: RateOverride) -> None:
    assert parse(text, CLOUDS) == (override,)


def test_limits_are_separated_by_commas_or_lines_and_none_is_none() -> None:
    assert len(parse("*.A=1/s, *.B=2/s,\n*.C=off\n", CLOUDS)) == 3
    assert parse("  ", CLOUDS) == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("RunInstances=2/s", "is not like"),
        ("AzureCloud.RunInstances=2/s", "there is no cloud AzureCloud"),
        ("AWSCloud.RunInstances=2", "neither off nor a rate"),
        ("AWSCloud.RunInstances=2/d", "neither off nor a rate"),
        ("AWSCloud.RunInstances=0/s", "above 0"),
        ("AWSCloud.RunInstances=2/0s", "above 0"),
        ("AWSCloud.RunInstances=1.2.3/s", "no number"),
        ("AWSCloud.RunInstances=9999999/s", "at most"),
        ("AWSCloud.RunInstances=2/s+0", "at least 1"),
        ("*.A=1/s, *.B=x", "'*.B=x'"),
    ],
)
def test_what_is_no_limit_is_refused_with_the_entry_and_the_reason(text: str, told: str) -> None:
    with pytest.raises(InvalidRates) as refusal:
        parse(text, CLOUDS)
    assert told in str(refusal.value)


def test_the_command_refuses_such_a_setting_by_name() -> None:
    with pytest.raises(click.ClickException, match=r"rates: .*AzureCloud"):
        settings_of({"rates": "AzureCloud.*=1/s"})
    assert Settings(rates="AWSCloud.*=1/s").limiter_settings().overrides[0].cloud == "AWSCloud"


def test_the_first_that_names_an_api_counts_and_an_override_replaces_only_what_it_says() -> None:
    table = (ApiLimit("RunInstances", Rate(2, 5), Rate(2, 1000)), ApiLimit("*", Rate(9, 9)))
    said = parse("AWSCloud.Run*=7/s, *.*:machines=off, AlibabaCloud.*=1/s", CLOUDS)

    limit = limit_of("AWSCloud", "RunInstances", table, said)

    assert (limit.calls, limit.machines) == (Rate(7, 7), None)
    assert limit_of("AWSCloud", "runinstances", table, ()).machines == Rate(2, 1000)
    assert limit_of("AWSCloud", "Other", table, said).calls == Rate(9, 9)
    assert limit_of("AWSCloud", "Other", (), ()).calls is None


def test_no_span_of_a_window_holds_more_than_it_allows() -> None:
    for rate, span in ((window(300, 60), 60), (window(10, 1, at_once=0.5), 1)):
        assert rate.burst + rate.per_second * span == pytest.approx({60: 300, 1: 10}[span])


@pytest.mark.parametrize("folder", ["alibaba", "aws", "baidu", "huawei", "tencent"])
def test_every_table_says_where_its_figures_are_from_and_leaves_no_api_out(folder: str) -> None:
    table: RateTable = importlib.import_module(f"bridgx_server.providers.{folder}").RATES
    assert all(row.source for row in table)
    assert table[-1].api == "*"
    assert all(row.calls is not None for row in table)


def test_aws_counts_machines_as_its_documentation_says() -> None:
    from bridgx_server.providers.aws import RATES

    made, ended = (limit_of("AWSCloud", api, RATES, ()) for api in ("RunInstances", "TerminateInstances"))
    assert (made.calls, made.machines, made.regional) == (Rate(2, 5), Rate(2, 1000), True)
    assert (ended.calls, ended.machines) == (Rate(5, 100), Rate(20, 1000))
    assert limit_of("AWSCloud", "DescribeInstances", RATES, ()).calls == Rate(20, 100)
    assert limit_of("AWSCloud", "DescribeInstances", CAUTIOUS, ()).calls == Rate(10, 20)


def test_an_api_has_the_vendors_name() -> None:
    assert api_name("describe_instance_types") == "DescribeInstanceTypes"
