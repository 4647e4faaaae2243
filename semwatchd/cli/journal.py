"""Commands on the journal: what stands where, and what a person decides."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import structlog
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection

from semwatchd.adapters.sql import operator
from semwatchd.adapters.sql.journal import open_engine, reading, writing
from semwatchd.adapters.sql.queries import (
    job_details,
    outbox_rows,
    outdated,
    outdated_counts,
    quarantined,
    totals,
)
from semwatchd.audit import Audit, audit
from semwatchd.cli.exits import (
    DONE,
    FINDINGS,
    ConfigOption,
    JsonOption,
    existing_journal,
    load_or_defaults,
    print_json,
)
from semwatchd.config import Config
from semwatchd.core.job import DeliveryState
from semwatchd.core.paths import escape

quarantine_app = typer.Typer(help="Images set aside for a person.", no_args_is_help=True)
outbox_app = typer.Typer(help="Events on their way to the MES.", no_args_is_help=True)

TIMES = frozenset({"at", "not_before"})  # besides all that ends in "_at"

ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it goes into the audit trail.")]


def status_command(
    config: ConfigOption = None,
    *,
    only_outdated: Annotated[
        bool, typer.Option("--outdated", help="Results whose plan is no longer in the configuration.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="With --outdated: list at most so many.")] = 1000,
    as_json: JsonOption = False,
) -> None:
    """Count files, jobs and deliveries by state."""
    settings = load_or_defaults(config)
    with reading(open_engine(existing_journal(settings))) as connection:
        if only_outdated:
            _show_outdated(connection, settings, limit, as_json=as_json)
            return
        counted = asdict(totals(connection))
    if as_json:
        print_json(counted)
        return
    for title, counts in counted.items():
        _print_table([{"state": state, "count": count} for state, count in counts.items()], title)


def _show_outdated(connection: Connection, settings: Config, limit: int, *, as_json: bool) -> None:
    current = sorted({settings.plan(name).plan_hash for name in settings.plans})
    counts = outdated_counts(connection, current)
    rows = [_readable(row) for row in outdated(connection, current, limit)]
    if as_json:
        print_json({"current_plans": current, "outdated": counts, "results": rows})
        return
    print(f"{sum(counts.values())} result(s) of {len(counts)} plan(s) that are no longer configured")
    _print_table(rows, "outdated results")


def audit_command(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Hold every watched folder against the journal: exit 0 when nothing is unaccounted for."""
    settings = load_or_defaults(config)
    report = audit(settings.watch, existing_journal(settings), structlog.get_logger("semwatchd"))
    if as_json:
        print_json(asdict(report) | {"gap": report.gap, "balanced": report.gap == 0})
    else:
        _print_audit(report)
    raise typer.Exit(DONE if report.gap == 0 else FINDINGS)


def _print_audit(report: Audit) -> None:
    print(f"sighted {report.sighted} = terminal {report.terminal} + in flight {report.in_flight}")
    for root in report.roots:
        print(f"{escape(root.root)}: {root.files} files, {len(root.unaccounted)} unaccounted for")
        for relpath in root.unaccounted:
            print(f"  not in the journal: {escape(relpath)}")
    for rule, count in report.loose_ends.items():
        if count:
            print(f"  {rule}: {count}")
    print("balanced" if report.gap == 0 else f"NOT balanced: gap {report.gap}")


@quarantine_app.command("list")
def quarantine_list(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """List the images set aside."""
    with reading(open_engine(existing_journal(load_or_defaults(config)))) as connection:
        rows = [_readable(row) for row in quarantined(connection)]
    if as_json:
        print_json(rows)
    else:
        shown = ("id", "finished_at", "tool", "error_class", "reason", "path")
        _print_table([{name: row[name] for name in shown} for row in rows], "quarantine")


@quarantine_app.command("show")
def quarantine_show(job_id: int, config: ConfigOption = None) -> None:
    """Show all that is known of one image, as JSON."""
    with reading(open_engine(existing_journal(load_or_defaults(config)))) as connection:
        details = job_details(connection, job_id)
    if details is None:
        raise typer.BadParameter(f"there is no job {job_id}")
    print_json(_readable(details))


@quarantine_app.command("requeue")
def quarantine_requeue(job_ids: list[int], reason: ReasonOption, config: ConfigOption = None) -> None:
    """Measure images once more, ahead of the others."""
    _change_each(load_or_defaults(config), job_ids, operator.requeue, reason, "job", "in quarantine")


@quarantine_app.command("reject")
def quarantine_reject(job_ids: list[int], reason: ReasonOption, config: ConfigOption = None) -> None:
    """Close images for good; nothing is deleted."""
    _change_each(load_or_defaults(config), job_ids, operator.reject, reason, "job", "in quarantine")


@outbox_app.command("list")
def outbox_list(
    config: ConfigOption = None,
    *,
    state: Annotated[DeliveryState | None, typer.Option(help="Only events in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 1000,
    as_json: JsonOption = False,
) -> None:
    """List the events that are not delivered."""
    with reading(open_engine(existing_journal(load_or_defaults(config)))) as connection:
        rows = [_readable(row) for row in outbox_rows(connection, state, limit)]
    if as_json:
        print_json(rows)
    else:
        shown = ("seq", "destination", "state", "attempts", "subject", "last_error")
        _print_table([{name: row[name] for name in shown} for row in rows], "outbox")


@outbox_app.command("retry")
def outbox_retry(
    seqs: Annotated[list[int], typer.Argument(help="Numbers of the events.")],
    reason: ReasonOption,
    config: ConfigOption = None,
) -> None:
    """Send parked or waiting events again at once."""
    _change_each(
        load_or_defaults(config),
        seqs,
        operator.retry_delivery,
        reason,
        "event",
        "parked or waiting (a pending event is on its way)",
    )


def _change_each(
    config: Config,
    numbers: Iterable[int],
    change: Callable[[Connection, int, str, float], bool],
    reason: str,
    what: str,
    required: str,
) -> None:
    missed = 0
    with writing(open_engine(existing_journal(config))) as connection:
        for number in numbers:
            done = change(connection, number, reason, time.time())
            missed += not done
            print(f"{what} {number}: {'done' if done else f'nothing changed, it is not {required}'}")
    raise typer.Exit(FINDINGS if missed else DONE)


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    """Turn times into ISO 8601 and paths into clean text, however deep they lie."""
    return {name: _readable_value(name, value) for name, value in row.items()}


def _readable_value(name: str, value: Any) -> Any:  # noqa: ANN401 — whatever a row holds
    match value:
        case dict():
            return _readable(value)
        case [dict(), *_]:
            return [_readable(each) for each in value]
        case float() if name in TIMES or name.endswith("_at"):
            return datetime.fromtimestamp(value, UTC).isoformat(timespec="seconds") if value else None
        case str() if name == "path":
            return escape(value)
        case _:
            return value


def _print_table(rows: list[dict[str, Any]], title: str) -> None:
    if not rows:
        print(f"{title}: none")
        return
    table = Table(title=title, title_justify="left")
    for name in rows[0]:
        table.add_column(name, overflow="fold")
    for row in rows:  # as text: a file name may look like markup
        table.add_row(*(Text("" if value is None else str(value)) for value in row.values()))
    Console().print(table)
