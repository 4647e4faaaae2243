"""What the journal costs: everything it does for one image, from its first sight to its delivery."""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from rich.console import Console

from semwatchd.adapters.mes.payload import render_result
from semwatchd.adapters.sql.jobs import SqlJobStore
from semwatchd.adapters.sql.journal import Journal
from semwatchd.adapters.sql.outbox import SqlOutbox
from semwatchd.adapters.sql.schema import prepare_journal
from semwatchd.adapters.sql.sightings import SqlSightingLog
from semwatchd.core.image import ImageFacts, Registration, RegistrationStatus, Vendor
from semwatchd.core.job import Context, DeliveryState, Job, JobState, Result
from semwatchd.core.plan import Plan
from semwatchd.core.ports import Ending, FileStamp, JobOrder, RenderedEvent, Sighting, Verdict
from semwatchd.engine.relay import RelaySettings
from semwatchd.offline.show import show_columns

AT_ONCE = 50  #: images in flight together, as in a busy daemon; a relay takes as many at a time
CLAIM = 4  #: half of queue.capacity: the dispatcher asks for more when so many places are free
LOT = 1000  #: images in one directory
ROOT = "/data/sem01"
PLAN = Plan()
STAGES_MS = {"read": 2.1, "intensity": 0.9, "sharpness": 1.7, "spectrum": 4.0, "registration": 9.6}
MEASUREMENTS = {f"sharpness.figure_{number}": 1.0 / (number + 3) for number in range(20)}


@dataclass(slots=True)
class Costs:
    """Processor time of this process by what it was spent on, in the order of the first use."""

    spent_s: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def of(self, operation: str) -> Iterator[None]:
        """Add what is spent inside; all threads count."""
        before_s = time.process_time()
        yield
        self.spent_s[operation] = self.spent_s.get(operation, 0.0) + time.process_time() - before_s


def bench_journal(images: int, *, as_json: bool, console: Console) -> None:
    """Take so many images through a new journal and print the processor time of each operation."""
    with tempfile.TemporaryDirectory(prefix="semwatchd-bench-") as directory:
        per_image = measure(images, Path(directory))
    total_ms = sum(per_image.values())
    if as_json:
        document = {"images": images, "cpu_ms_per_image": total_ms, "operations_cpu_ms": per_image}
        sys.stdout.write(json.dumps(document) + "\n")
        return
    rows = [(name, f"{cost_ms:.3f}") for name, cost_ms in per_image.items()]
    title = f"Journal, {images} images, {AT_ONCE} in flight"
    show_columns(console, title, ("operation", "CPU ms per image"), [*rows, ("together", f"{total_ms:.3f}")])


def measure(images: int, directory: Path) -> dict[str, float]:
    """Return milliseconds of processor time per image, by operation."""
    costs = Costs()
    with _running_journal(directory) as journal:
        _pass_through(journal, range(AT_ONCE), Costs())  # statements are compiled once
        for first in range(AT_ONCE, AT_ONCE + images, AT_ONCE):
            _pass_through(journal, range(first, min(first + AT_ONCE, AT_ONCE + images)), costs)
    return {name: 1000 * spent_s / images for name, spent_s in costs.spent_s.items()}


@contextmanager
def _running_journal(directory: Path) -> Iterator[Journal]:
    def sick(healthy: bool, reason: str) -> None:  # noqa: FBT001 — told by position
        if not healthy:
            raise OSError(f"the journal in {directory} cannot be written: {reason}")

    journal = Journal(prepare_journal(directory), structlog.get_logger("semwatchd"), sick)
    writer = threading.Thread(target=journal.run)
    writer.start()
    try:
        yield journal
    finally:
        journal.close()
        writer.join()
        journal.dispose()


def _pass_through(journal: Journal, numbers: Sequence[int], costs: Costs) -> None:
    """Do with these images all that the daemon does with the journal, one kind of thing after the other."""
    log = SqlSightingLog(journal, time.time, _nothing, _fail)
    store = SqlJobStore(journal, ["mes"], time.time, _nothing)
    relay = RelaySettings()
    outbox = SqlOutbox(journal, relay.longest_wait_s)
    seen = [_sighting(number) for number in numbers]
    order = JobOrder(plan=PLAN, context=_context(numbers[0]))
    with costs.of("known?"):
        for each in seen:
            log.known(each.root, each.relpath, each.stamp)
    with costs.of("settling"):
        for each in seen:
            log.settling(each)
        journal.flush()
    with costs.of("ready, job queued"):
        for each in seen:
            log.ready(each, order)
        journal.flush()
    _measure_all(store, costs)
    with costs.of("event taken to be sent"):
        events = outbox.take("mes", relay.batch, time.time())
    delivered = [Verdict(seq=event.seq, state=DeliveryState.DELIVERED, attempts=1) for event in events]
    with costs.of("delivered"):
        outbox.settle(delivered, time.time())


def _measure_all(store: SqlJobStore, costs: Costs) -> None:
    """Claim job after job and finish them, as the dispatcher does: a claim shares its commit with endings."""
    endings: list[Ending] = []
    while True:
        with costs.of("claimed; finished with result and event"):
            for ending in endings:
                store.finish(ending)
            jobs = store.claim(CLAIM, alone=1).result()
        if not jobs:
            return
        endings = [_ending(job) for job in jobs]


def _nothing() -> None:
    """Wake nobody."""


def _fail(error: BaseException) -> None:
    raise error


def _context(number: int) -> Context:
    return Context(tool="SEM01", lot=f"LOT{number // LOT:04d}", wafer="01")


def _sighting(number: int) -> Sighting:
    relpath = f"LOT{number // LOT:04d}/W01_{number:07d}.tif"
    stamp = FileStamp(size=1_048_900, mtime_ns=1_760_000_000_000_000_000 + number, ino=1_000_000 + number)
    return Sighting(root=ROOT, relpath=relpath, stamp=stamp)


def _ending(job: Job) -> Ending:
    facts = ImageFacts(
        width=1024,
        height=1024,
        dtype="uint8",
        pages=1,
        compression="none",
        sha256=hashlib.sha256(job.path.encode()).hexdigest(),
        vendor=Vendor.ZEISS,
        pixel_size_nm=2.0,
        pixel_size_source="tag 34118",
        info_bar_rows=64,
    )
    registration = Registration(
        reference="/data/reference.tif",
        dx_px=1.25,
        dy_px=-3.5,
        sigma_x_px=0.02,
        sigma_y_px=0.02,
        quality=0.9,
        status=RegistrationStatus.OK,
    )
    result = Result(
        job=job,
        facts=facts,
        measurements=MEASUREMENTS,
        registration=registration,
        elapsed_ms=STAGES_MS,
        cpu_ms=STAGES_MS,
    )
    return Ending(outcome=result, state=JobState.STORED, events=(_event(result),))


def _event(result: Result) -> RenderedEvent:
    return render_result(result, site="bench", finished_at=time.time(), detected_at=result.job.detected_at)
