"""Commands that look after the journal's file."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from semwatchd.adapters.sql.care import Checkup, back_up, check_journal
from semwatchd.adapters.sql.identity import adopt
from semwatchd.adapters.sql.journal import open_engine, reading
from semwatchd.adapters.sql.repair import Repaired, repair_journal
from semwatchd.adapters.sql.schema import journal_path
from semwatchd.cli.exits import (
    DONE,
    FINDINGS,
    ConfigOption,
    JsonOption,
    existing_journal,
    load_or_defaults,
    print_json,
)
from semwatchd.core.errors import EnvironmentFault
from semwatchd.core.paths import one_line
from semwatchd.retention import Sweep, by_hand, rehearsed

journal_app = typer.Typer(help="The journal's file: sound or not, and copies of it.", no_args_is_help=True)


@journal_app.command("check")
def journal_check(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Look through the whole journal: exit 0 when it is sound, 1 when something is wrong."""
    state_dir = load_or_defaults(config).state_dir
    path = journal_path(state_dir)
    if not path.exists():
        raise EnvironmentFault(f"there is no journal in {state_dir} yet; start the daemon once")
    found = check_journal(path)
    if as_json:
        print_json(asdict(found) | {"sound": found.sound})
    else:
        _print_checkup(found)
    raise typer.Exit(DONE if found.sound else FINDINGS)


def _print_checkup(found: Checkup) -> None:
    print(
        one_line(
            f"{found.path}: schema {found.schema}, {found.size_bytes} bytes, {found.wal_bytes} in its log"
        )
    )
    for complaint in (*found.integrity, *found.foreign_keys):
        print(f"  {one_line(complaint)}")
    for rule, count in found.loose_ends.items():
        if count:
            print(f"  {rule}: {count}")
    for row in found.unreadable:
        print(f"  {row.table} row {row.rowid}: unreadable {', '.join(row.columns)}")
    print("sound" if found.sound else "NOT sound")


@journal_app.command("backup")
def journal_backup(
    destination: Annotated[Path, typer.Argument(help="The copy's file; an older one is replaced.")],
    config: ConfigOption = None,
) -> None:
    """Copy the journal into one file, also while the daemon writes it."""
    copied = back_up(existing_journal(load_or_defaults(config)), destination)
    print(one_line(f"{destination}: {copied} bytes"))


@journal_app.command("repair")
def journal_repair(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Mend the journal while no daemon runs; what its broken rows held is kept in a file beside it."""
    settings = load_or_defaults(config)
    plans = [settings.plan(name) for name in settings.plans]
    done = repair_journal(settings.state_dir, plans, time.time())
    if as_json:
        print_json(asdict(done))
    else:
        _print_repair(done)
    raise typer.Exit(FINDINGS if done.rows or done.damaged else DONE)


@journal_app.command("adopt")
def journal_adopt(config: ConfigOption = None) -> None:
    """Say that the journal that lies here belongs here, after it was copied in or made anew."""
    path = existing_journal(load_or_defaults(config))
    with reading(open_engine(path)) as connection:
        print(one_line(f"{path} belongs here now: {adopt(connection, path)}"))


@journal_app.command("prune")
def journal_prune(
    config: ConfigOption = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be removed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove what `[retention]` says is no longer needed, also while the daemon runs."""
    settings = load_or_defaults(config)
    path = existing_journal(settings)
    write = rehearsed(path) if dry_run else by_hand(path)
    sweep = Sweep(path, write, lambda _: True, time.time())
    for _ in sweep.steps(settings.retention):
        pass
    done = sweep.done
    if as_json:
        print_json(asdict(done) | {"dry_run": dry_run})
        return
    if not settings.retention.wanted:
        print("nothing is to be removed: the configuration has no [retention]")
    verb = "would be" if dry_run else "were"
    print(f"{done.jobs} jobs and {done.sightings} other sightings {verb} forgotten")
    print(f"{done.payloads} payloads of delivered events {verb} erased")


def _print_repair(done: Repaired) -> None:
    if done.damaged:
        print(one_line(f"the old file is now {done.damaged}; {done.taken_over} rows of it could be read"))
    for row in done.rows:
        print(one_line(f"  {row.table} row {row.rowid}: {row.why}: {row.done}"))
    if done.kept_in:
        print(one_line(f"what these rows held is in {done.kept_in}"))
    print("repaired" if done.rows or done.damaged else "nothing to repair")
