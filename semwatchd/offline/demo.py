"""The demo: a simulated tool, the daemon, a receiver, and in the end books that must balance."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console

from semwatchd.adapters.sql.journal import open_engine, reading
from semwatchd.offline.books import Books, Standing, read_books, read_standing
from semwatchd.offline.manifest import ToolSpec, read_manifest
from semwatchd.offline.meter import Meter, wait_until_idle
from semwatchd.offline.receiver import ReceiverSpec, read_record
from semwatchd.offline.report import Places, Run, as_document, show_run
from semwatchd.offline.show import Report, progress
from semwatchd.offline.stand import (
    STOP_S,
    Process,
    StandError,
    StandSettings,
    run_to_end,
    running,
    running_receiver,
    stop,
    tool_command,
    wait_for_daemon,
    write_config,
)
from semwatchd.offline.summary import summarise

DEFAULT_NAME = "semwatchd-demo"
IMAGES_PER_RESENT = 40
RATE_PER_S = 8.0
REFUSED_FIRST = 3  # requests the receiver refuses, so that a retry can be seen
POLL_S = 0.25
PATIENCE_S = 120.0  # for everything to be accounted for
PATIENCE_PER_IMAGE_S = 2.0
AUDIT_S = 60.0

EXIT_BALANCED, EXIT_FINDINGS, EXIT_USAGE = 0, 1, 64


def run_demo(images: int, directory: Path | None, *, as_json: bool, console: Console) -> int:
    """Play the demo and print its summary.

    Parameters
    ----------
    images
        Distinct images the tool writes, besides one broken file and a few that it sends twice.
    directory
        An empty or new folder; None makes a new one below the current folder.
    console
        For people: progress and summary. With ``as_json`` one JSON object goes to standard output instead
        of the summary.

    Returns
    -------
    int
        0 if every file is accounted for exactly once and every result was delivered exactly once, by id;
        1 if not; 64 if the folder cannot be used.
    """
    try:
        places = Places.under(fresh_directory(directory))
    except OSError as error:
        console.print(f"demo: {error}", markup=False)
        return EXIT_USAGE
    try:
        run = play(images, places, console)
    except StandError as error:
        console.print(f"demo: {error}", markup=False)
        return EXIT_FINDINGS
    if as_json:
        sys.stdout.write(json.dumps(as_document(images, run, places)) + "\n")
    else:
        show_run(console, run, places)
    return EXIT_FINDINGS if run.problems else EXIT_BALANCED


def fresh_directory(wanted: Path | None) -> Path:
    """Make the demo's folder; what is already there is never touched.

    Raises
    ------
    FileExistsError
        The folder that was asked for holds something.
    """
    if wanted is None:
        return _next_numbered(Path.cwd() / DEFAULT_NAME)
    wanted.mkdir(parents=True, exist_ok=True)
    if any(wanted.iterdir()):
        raise FileExistsError(f"{wanted} is not empty; name a new folder, so nothing of yours is mixed in")
    return wanted.resolve()


def play(images: int, places: Places, console: Console) -> Run:
    """Run tool, daemon and receiver until everything is accounted for, then stop them and count."""
    spec = _tool_spec(images, places)
    for folder in (places.watched, places.drop, places.state, places.record.parent):
        folder.mkdir()
    run_to_end(tool_command("reference", spec), places.manifest.with_name("reference.log"))
    receiver = ReceiverSpec(
        record=str(places.record),
        port_file=str(places.record.with_name("port")),
        fail_first=REFUSED_FIRST,
    )
    started = time.monotonic()
    with running_receiver(receiver, places.record.with_name("receiver.log")) as (_, url):
        settings = StandSettings(
            watched=places.watched,
            reference=places.reference,
            events_url=url,
            drop=places.drop,
            depth=importlib.util.find_spec("torch") is not None,
        )
        write_config(places.config, places.state, settings)
        with running(["semwatchd", "run", "-c", str(places.config)], places.log) as daemon:
            address = wait_for_daemon(daemon, places.state, places.log)
            wait_until_idle(daemon.pid)
            meter = Meter("supervisor", daemon.pid)
            complaints = _watch(spec, places, daemon, meter, console)
            if (code := stop(daemon, STOP_S)) != 0 and not complaints:
                complaints.append(f"the daemon ended with code {code}; its log: {places.log}")
    summary = summarise(
        read_manifest(places.manifest), _books(places.journal), arrivals(places.record, places.drop)
    )
    return Run(
        summary=summary,
        metrics_url=f"{address}/metrics",
        usage=meter.usage(),
        seconds=time.monotonic() - started,
        problems=(*complaints, *summary.problems, *audit_problems(places.config)),
    )


def arrivals(record: Path, drop: Path) -> dict[str, list[str]]:
    """Event ids as they arrived at each destination of the demo."""
    dropped = [json.loads(path.read_bytes())["id"] for path in sorted(drop.glob("*.json"))]
    return {"mes": [line.event_id for line in read_record(record)], "drop": dropped}


def audit_problems(config: Path) -> list[str]:
    """Let the daemon's own audit look at the journal."""
    command = [sys.executable, "-m", "semwatchd", "audit", "-c", str(config), "--json"]
    try:
        audit = subprocess.run(command, capture_output=True, text=True, timeout=AUDIT_S, check=False)
    except subprocess.TimeoutExpired:
        return [f"semwatchd audit did not end within {AUDIT_S:.0f} s"]
    if audit.returncode == 0:
        return []
    said = audit.stdout.strip() or audit.stderr.strip().rpartition("\n")[-1]
    return [f"semwatchd audit ended with code {audit.returncode}: {said}"]


def _tool_spec(images: int, places: Places) -> ToolSpec:
    return ToolSpec(
        root=str(places.watched),
        reference=str(places.reference),
        manifest=str(places.manifest),
        images=images,
        resent=min(images, max(1, round(images / IMAGES_PER_RESENT))),
        broken=1,
        rate_per_s=RATE_PER_S,
    )


def _watch(spec: ToolSpec, places: Places, daemon: Process, meter: Meter, console: Console) -> list[str]:
    """Let the tool write and wait for the daemon; say what is missing if the time runs out."""
    total = spec.images + spec.resent + spec.broken
    deadline = time.monotonic() + PATIENCE_S + PATIENCE_PER_IMAGE_S * total
    journal = open_engine(places.journal)
    tool_log = places.manifest.with_name("tool.log")
    with (
        progress(console, total) as report,
        running(tool_command("write", spec), tool_log, stop_s=10) as tool,
    ):
        while time.monotonic() < deadline:
            meter.sample()
            with reading(journal) as connection:
                standing = read_standing(connection)
            _tell(report, standing)
            if daemon.poll() is not None:
                return [f"the daemon ended by itself with code {daemon.returncode}; its log: {places.log}"]
            if tool.poll() not in {None, 0}:
                return [f"the simulated tool failed; its log: {tool_log}"]
            if tool.poll() == 0 and _is_complete(standing, total):
                return []
            time.sleep(POLL_S)
    return [
        f"time ran out: {standing.ended} of {total} files ended, {standing.undelivered} events undelivered"
    ]


def _is_complete(standing: Standing, total: int) -> bool:
    return standing.ended >= total and standing.open == 0 and standing.undelivered == 0


def _tell(report: Report, standing: Standing) -> None:
    report(standing.ended, f"stored {standing.stored}, delivered {standing.delivered}")


def _books(journal: Path) -> Books:
    with reading(open_engine(journal)) as connection:
        return read_books(connection)


def _next_numbered(base: Path) -> Path:
    number = 1
    while True:
        candidate = base if number == 1 else base.with_name(f"{base.name}-{number}")
        try:
            candidate.mkdir()
        except FileExistsError:
            number += 1
        else:
            return candidate
