"""How much the whole line carries: files in, numbers out to a receiver, and what each process used for it."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from semwatchd.adapters.sql.journal import open_engine, reading
from semwatchd.offline.bench_report import Outcome, as_document, show_outcome
from semwatchd.offline.books import read_books, read_standing
from semwatchd.offline.manifest import FramesSpec
from semwatchd.offline.meter import Meter, sample_until, wait_until_idle
from semwatchd.offline.receiver import ReceiverSpec, read_record
from semwatchd.offline.show import progress
from semwatchd.offline.stand import (
    Process,
    StandError,
    StandSettings,
    running,
    running_receiver,
    tool_command,
    wait_for_daemon,
    write_config,
)
from semwatchd.offline.summary import percentile

SIZE_PX = 1024
PREPARE_POLL_S = 0.5
SETTLE_S = 0.5  # the files are whole from the start
PATIENCE_S = 120.0
PATIENCE_PER_IMAGE_S = 2.0

EXIT_DONE, EXIT_FINDINGS = 0, 1


def bench_pipeline(images: int, *, as_json: bool, console: Console, workers: int | None = None) -> int:
    """Measure the throughput of the daemon on 1024x1024 8-bit TIFFs with the reference plan.

    Parameters
    ----------
    images
        Distinct images; making them is not timed.
    console
        For people: progress and figures. With ``as_json`` one JSON object goes to standard output instead
        of the figures.
    workers
        None lets the daemon choose.

    Returns
    -------
    int
        0 if every image was measured and its event received, else 1. Slowness is no finding.
    """
    with tempfile.TemporaryDirectory(prefix="semwatchd-bench-") as directory:
        try:
            outcome = measure(images, Path(directory), workers, console)
        except StandError as error:
            console.print(f"bench: {error}", markup=False)
            return EXIT_FINDINGS
    if as_json:
        sys.stdout.write(json.dumps(as_document(outcome)) + "\n")
    else:
        show_outcome(console, outcome)
    return EXIT_DONE if outcome.stored == outcome.received == images else EXIT_FINDINGS


def measure(images: int, directory: Path, workers: int | None, console: Console) -> Outcome:
    """Prepare the files, start the daemon, hand it all files at once and wait for the last event."""
    prepared, watched, state = (directory / name for name in ("prepared", "sem01", "state"))
    watched.mkdir()
    state.mkdir()
    reference = directory / "reference.tif"
    frames = FramesSpec(directory=str(prepared), reference=str(reference), images=images, size_px=SIZE_PX)
    prepare(frames, directory / "tool.log", console)
    record = directory / "received.jsonl"
    receiver_spec = ReceiverSpec(record=str(record), port_file=str(directory / "port"))
    with running_receiver(receiver_spec, directory / "receiver.log") as (receiver, url):
        settings = StandSettings(
            watched=watched,
            reference=reference,
            events_url=url,
            workers=workers,
            quiet_s=SETTLE_S,
        )
        write_config(directory / "semwatchd.toml", state, settings)
        with _daemon(directory, state) as daemon:
            wait_until_idle(daemon.pid)
            meters = [Meter("supervisor", daemon.pid), Meter("receiver", receiver.pid)]
            for meter in meters:
                meter.sample()
            arrived_at = time.time()
            for lot in sorted(prepared.iterdir()):
                lot.rename(watched / lot.name)
            _wait(images, state / "journal.db", daemon, meters, console)
    return _outcome(images, record, state / "journal.db", arrived_at, meters)


def prepare(spec: FramesSpec, log: Path, console: Console) -> None:
    """Have the reference and the images written where the daemon does not look."""
    with progress(console, spec.images) as report, running(tool_command("frames", spec), log) as tool:
        while tool.poll() is None:
            report(sum(1 for _ in Path(spec.directory).rglob("*.tif")), "preparing images")
            time.sleep(PREPARE_POLL_S)
        if tool.returncode:
            raise StandError(f"the images could not be made; its log: {log}")


@contextmanager
def _daemon(directory: Path, state: Path) -> Iterator[Process]:
    log = directory / "daemon.log"
    with running(["semwatchd", "run", "-c", str(directory / "semwatchd.toml")], log) as daemon:
        wait_for_daemon(daemon, state, log)
        yield daemon


def _wait(images: int, journal: Path, daemon: Process, meters: list[Meter], console: Console) -> None:
    """Sample until every image has ended and every event is delivered."""
    limit_s = PATIENCE_S + PATIENCE_PER_IMAGE_S * images
    with progress(console, images) as report:
        is_over = _end_of(images, journal, daemon, lambda done: report(done, "measuring"))
        if not sample_until(meters, is_over, limit_s):
            raise StandError(f"not all of {images} images were through after {limit_s:.0f} s")


def _end_of(images: int, journal: Path, daemon: Process, report: Callable[[int], None]) -> Callable[[], bool]:
    engine = open_engine(journal)

    def is_over() -> bool:
        if daemon.poll() is not None:
            raise StandError(f"the daemon ended by itself with code {daemon.returncode}")
        with reading(engine) as connection:
            standing = read_standing(connection)
        report(standing.ended)
        return standing.ended >= images and standing.open == 0 and standing.undelivered == 0

    return is_over


def _outcome(images: int, record: Path, journal: Path, arrived_at: float, meters: Sequence[Meter]) -> Outcome:
    with reading(open_engine(journal)) as connection:
        books = read_books(connection)
    started_at = {line.id: line.started_at for line in books.jobs if line.started_at is not None}
    job_of = {line.event_id: line.job_id for line in books.deliveries}
    received_at = {line.event_id: line.received_at for line in read_record(record) if line.repeats == 0}
    latencies = [at - started_at[job_of[event_id]] for event_id, at in received_at.items()]
    first = min(started_at.values())
    return Outcome(
        images=images,
        size_px=SIZE_PX,
        settle_s=SETTLE_S,
        stored=sum(line.stored_at is not None for line in books.jobs),
        received=len(received_at),
        intake_s=first - arrived_at,
        seconds=max(received_at.values()) - first,
        latency_s=(percentile(latencies, 50), percentile(latencies, 99)),
        stages_ms=_mean([line.elapsed_ms for line in books.jobs]),
        stages_cpu_ms=_mean([line.cpu_ms for line in books.jobs]),
        usage=[usage for meter in meters for usage in meter.usage()],
    )


def _mean(of_each: Sequence[Mapping[str, float]]) -> dict[str, float]:
    timed = [stages for stages in of_each if stages]
    names = list(dict.fromkeys(name for stages in timed for name in stages))
    return {name: sum(stages.get(name, 0.0) for stages in timed) / len(timed) for name in names}
