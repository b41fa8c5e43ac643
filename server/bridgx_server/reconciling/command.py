"""The commands."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict
from typing import Any, TypeVar

import click

from bridgx_server.cli import parts_of
from bridgx_server.errors import BridgXError
from bridgx_server.identities.command import by_command_line
from bridgx_server.options import open_store, secrets_epilog, settings_of, settings_options
from bridgx_server.reconciling import comparing
from bridgx_server.reconciling.comparing import Report, Which
from bridgx_server.reconciling.tables import moment, table
from bridgx_server.scaling.engine import Engine
from bridgx_server.scaling.removal import Fate, delete_orphans
from bridgx_server.settings import Settings
from bridgx_server.store import comparisons, orphans, requests
from bridgx_server.store.audit import Resource
from bridgx_server.store.comparisons import Comparison, Finding, PlaceFilter
from bridgx_server.store.orphans import Orphan, OrphanFilter
from bridgx_server.store.paging import Page, PageOf
from bridgx_server.store.scope import EVERYTHING

OURS = (
    "database_url",
    "secret_key_file",
    "log_level",
    "log_format",
    "connect_timeout",
    "read_timeout",
    "visibility",
    "endpoint_alibabacloud",
    "endpoint_huaweicloud",
    "endpoint_tencentcloud",
    "endpoint_baiducloud",
    "endpoint_awscloud",
)
PAGE = 50
PLACE = ("cloud", "account", "region")
COUNTS = ("listed", "missing", "adopted", "revived", "orphans")

Row = TypeVar("Row")
Command = TypeVar("Command", bound=Callable[..., Any])


def _common(command: Command) -> Command:
    """The options that all commands have, before or after the name of a command of the group."""
    for name, text in (
        ("region", "Only this region."),
        ("account", "Only the account with this access key."),
        ("provider", "Only accounts of this cloud."),
    ):
        command = click.option(f"--{name}", default=None, metavar="VALUE", help=text)(command)
    return settings_options(*(name for name in Settings.model_fields if name not in OURS))(command)


def _as_json(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(command)


@click.group("reconcile", invoke_without_command=True, epilog=secrets_epilog())
@click.option(
    "--all-regions", is_flag=True, help="Every region of every account, not only where something of ours was."
)
@click.option("--apply", is_flag=True, help="Record what is found, as a worker does. Without it nothing is written.")
@_as_json
@_common
@click.pass_context
def reconcile_command(context: click.Context, /, all_regions: bool, apply: bool, as_json: bool, **options: Any) -> None:
    """Compares the clouds with the inventory, and prints where they differ.

    Missing: running here, not listed there. Adoptable: not in the inventory, but their task is known. Revived: counted as
    gone, and alive. Orphans: they carry this installation's tag and nothing here explains them. This deletes no machine.

    Ends with 1 when a place could not be compared: then nothing is known of it.
    """
    context.obj = options
    if context.invoked_subcommand is not None:
        return
    place = _place(options)
    which = Which(place.provider, place.account_key, place.region_id, all_regions)
    engine = _engine(options)
    told = by_command_line("reconcile", engine.store, Resource("account", which.account)) if apply else nullcontext()
    with told:
        report = comparing.compare(engine, which, apply=apply)
    if as_json:
        rows = {"places": list(map(asdict, report.places)), "machines": list(map(asdict, report.machines))}
        click.echo(json.dumps({"applied": apply, **rows}, indent=2))
    else:
        _print(report, apply)
    if not report.complete:
        context.exit(1)


@reconcile_command.command("report")
@click.option("--kind", type=click.Choice(comparisons.KINDS), default=None, help="Only machines that were found so.")
@_as_json
@_common
@click.pass_context
def report_command(context: click.Context, /, kind: str | None, as_json: bool, **options: Any) -> None:
    """Prints what was recorded: the last comparison of every place, and the machines of the last 30 days, newest first.

    Workers record it, and `bridgx reconcile --apply`. No cloud is asked. Lost machines are told here alone, since they are no
    difference any more. The counts are of the last comparison that worked.
    """
    options = _merged(context, options)
    store, place = open_store(_settings(options).database_url), _place(options)
    which = PlaceFilter(place.provider, place.account_key, place.region_id)
    places = list(_all(lambda wanted: comparisons.page(store, EVERYTHING, which, wanted)))
    machines = list(_all(lambda wanted: comparisons.page_findings(store, EVERYTHING, kind or "", which, wanted)))
    if as_json:
        rows = {"places": list(map(_comparison_json, places)), "machines": list(map(_finding_json, machines))}
        click.echo(json.dumps(rows, indent=2))
        return
    if places:
        click.echo(table((*PLACE, "last", "worked", "status", *COUNTS), list(map(_comparison_line, places))))
    else:
        click.echo("nothing is compared yet")
    for row in places:
        if row.reason:
            click.echo(f"\n{row.provider} {row.account_key} {row.region_id}: {row.reason}")
    if machines:
        head = ("finding", "instance", *PLACE, "cluster", "first", "last", "now", "why")
        click.echo(f"\n{table(head, list(map(_finding_line, machines)))}")
    else:
        click.echo("\nno machine was found different")


@reconcile_command.group("orphans")
def orphans_group() -> None:
    """The machines that nothing here explains. They cost money until they are deleted."""


@orphans_group.command("list")
@_as_json
@_common
@click.pass_context
def orphans_list(context: click.Context, /, as_json: bool, **options: Any) -> None:
    """Lists the orphans that comparisons of workers, or of `bridgx reconcile --apply`, have reported."""
    options = _merged(context, options)
    store, which = open_store(_settings(options).database_url), _place(options)
    rows = list(_all(lambda wanted: orphans.page(store, EVERYTHING, which, wanted)))
    if as_json:
        click.echo(json.dumps([_orphan_json(row) for row in rows], indent=2))
    elif rows:
        head = ("instance", "cloud", "account", "region", "type", "state", "created", "first seen", "deletion", "why")
        click.echo(table(head, [_orphan_line(row) for row in rows]))
    else:
        click.echo("no orphans")


@orphans_group.command("delete", epilog=secrets_epilog())
@click.argument("instance_ids", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
@_as_json
@_common
@click.pass_context
def orphans_delete(
    context: click.Context, /, instance_ids: tuple[str, ...], yes: bool, as_json: bool, **options: Any
) -> None:
    """Deletes the orphans with these ids at their cloud, for good, disks included.

    Right before, each is looked up there: it must still carry this installation's tag, and nothing here may know it. Ends
    with 1 unless every one is being deleted or gone.
    """
    options = _merged(context, options)
    engine, place = _engine(options), _place(options)
    ids = tuple(dict.fromkeys(instance_ids))
    which = OrphanFilter(place.provider, place.account_key, place.region_id, ids)
    if not yes:
        named = orphans.named(engine.store, EVERYTHING, which)
        for row in named:
            click.echo("  ".join(_orphan_line(row)), err=True)
        click.confirm(f"Delete {len(named)} of {len(ids)} machines that were named, for good?", abort=True, err=True)
    caller = f"command line on {socket.gethostname()[:60]}"
    try:
        with by_command_line("reconcile orphans delete", engine.store, Resource("machine", " ".join(ids)[:128])):
            removals = delete_orphans(engine, EVERYTHING, which, caller)
    except BridgXError as error:
        raise click.ClickException(error.message) from None
    if as_json:
        click.echo(json.dumps([asdict(row) for row in removals], indent=2))
    else:
        lines = [(row.instance_id, row.fate.value, row.account_key, row.region_id, row.detail) for row in removals]
        click.echo(table(("instance", "result", "account", "region", "why"), lines))
    if any(row.fate not in (Fate.DELETING, Fate.GONE) for row in removals):
        context.exit(1)


@reconcile_command.command("networks")
@_as_json
@_common
@click.pass_context
def networks_command(context: click.Context, /, as_json: bool, **options: Any) -> None:
    """Lists the requests for networks that have no answer yet, with what each has made at the cloud."""
    store = open_store(_settings(_merged(context, options)).database_url)
    rows: list[dict[str, Any]] = [
        {
            "operation": row.key.operation,
            "request_id": row.key.request_id,
            "caller": row.caller,
            "created": moment(row.created_at),
            "last_attempt": moment(row.attempt_at),
            "attempts": row.attempts,
            "made": [asdict(made) for made in row.progress.made],
            "reason": row.progress.failure or "cut off, or under way",
        }
        for row in _all(lambda wanted: requests.page_unfinished(store, EVERYTHING, "", wanted))
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    elif rows:
        for line in rows:
            line["made"] = ", ".join(f"{made['kind']} {made['id']}" for made in line["made"]) or "-"
        click.echo(table(list(rows[0]), [[str(value) for value in line.values()] for line in rows]))
    else:
        click.echo("no unfinished requests")


def _print(report: Report, apply: bool) -> None:
    if not report.places:
        click.echo("nothing to compare: no registered account has, or ever had, a cluster, a network or a machine")
        return
    head = ("cloud", "account", "region", "status", "listed", "missing", "adoptable", "revived", "orphans")
    lines = []
    for place in report.places:
        counts = (place.listed, place.missing, place.adoptable, place.revived, place.orphans)
        shown = [str(count) if place.status == "ok" else "?" for count in counts]
        lines.append([place.provider, place.account, place.region, place.status, *shown])
    click.echo(table(head, lines))
    for place in report.places:
        if place.reason:
            where = f"{place.provider} {place.account} {place.region}"
            click.echo(f"\n{where}: not compared, so nothing is known of it. {place.reason}")
    if report.machines:
        head = ("finding", "instance", "cloud", "account", "region", "cluster", "state", "since", "why")
        lines = [
            [
                row.finding,
                row.instance_id,
                row.provider,
                row.account,
                row.region,
                row.cluster or "-",
                row.state,
                row.since,
                row.detail,
            ]
            for row in report.machines
        ]
        click.echo(f"\n{table(head, lines)}")
    click.echo("\nrecorded" if apply else "\na dry run: nothing was written; --apply records what was found")
    if any(row.finding == "orphan" for row in report.machines):
        first = "" if apply else "record them with --apply, then "
        click.echo(f"orphans cost money: {first}delete by id with `bridgx reconcile orphans delete ID …`")


def _comparison_line(row: Comparison) -> list[str]:
    times = (moment(row.started_at), moment(row.succeeded_at))
    counts = [str(getattr(row.counts, name)) if row.succeeded_at else "?" for name in COUNTS]
    return [row.provider, row.account_key, row.region_id, *times, row.status, *counts]


def _comparison_json(row: Comparison) -> dict[str, Any]:
    values = _timed(row, "due_at", "started_at", "finished_at", "succeeded_at")
    counts = values.pop("counts")
    return {**values, **{name: counts[name] for name in COUNTS}, "status": row.status}


def _finding_line(row: Finding) -> list[str]:
    times = (moment(row.first_seen_at), moment(row.seen_at))
    place = (row.provider, row.account_key, row.region_id)
    return [row.kind, row.instance_id, *place, row.cluster_name or "-", *times, row.status, row.reason or "-"]


def _finding_json(row: Finding) -> dict[str, Any]:
    return _timed(row, "first_seen_at", "seen_at")


def _orphan_line(row: Orphan) -> list[str]:
    asked = f"asked {moment(row.delete_asked_at)} by {row.delete_asked_by}" if row.delete_asked_at else "-"
    return [
        row.instance_id,
        row.provider,
        row.account_key,
        row.region_id,
        row.instance_type or "-",
        row.state,
        moment(row.started_at),
        moment(row.first_seen_at),
        f"{asked}, refused" if row.delete_failure else asked,
        row.delete_failure or row.reason,
    ]


def _orphan_json(row: Orphan) -> dict[str, Any]:
    return _timed(row, "started_at", "first_seen_at", "seen_at", "delete_asked_at")


def _timed(row: Comparison | Finding | Orphan, *times: str) -> dict[str, Any]:
    """A row for programs: its times as RFC 3339, null where there is none, and without our own numbers."""
    values = asdict(row)
    for name in times:
        values[name] = moment(values[name]) if values[name] else None
    return {key: value for key, value in values.items() if key not in ("id", "account_id")}


def _all(fetch: Callable[[PageOf], Page[Row]]) -> Iterator[Row]:
    number = 1
    while True:
        page = fetch(PageOf(number, PAGE))
        yield from page.rows
        if number * page.size >= page.total:
            return
        number += 1


def _merged(context: click.Context, /, options: dict[str, Any]) -> dict[str, Any]:
    """What was given after the command's name wins over what was given before it."""
    return {**context.obj, **{name: value for name, value in options.items() if value is not None}}


def _place(options: dict[str, Any]) -> OrphanFilter:
    return OrphanFilter(options["provider"] or "", options["account"] or "", options["region"] or "")


def _settings(options: dict[str, Any]) -> Settings:
    return settings_of({name: value for name, value in options.items() if name in OURS})


def _engine(options: dict[str, Any]) -> Engine:
    parts = parts_of(_settings(options))
    return parts.engine(parts.clouds())
