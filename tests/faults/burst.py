"""``python -m tests.faults.burst FILES``: very many files at once; the daemon must soon see each of them."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from tests.daemon import until
from tests.faults.crowd import write_crowd
from tests.faults.stand import Stand

MOST_SIGHTED_S = 30.0  #: from the first file written to the last one in the journal
LIMIT_S = 600.0  #: until every file is a job, on whatever machine

#: A late hint may sight a file again whose job is not yet on the disk; what counts is the first time.
LAST_SIGHTED = "max(first) from (select min(first_seen) as first from sighting group by directory, name)"

Drop = Callable[[Path, Path, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """What became of one burst. Times count from its beginning."""

    files: int
    written_s: float
    sighted_s: float  #: the last file is in the journal
    jobs_s: float  #: the last file is a job
    lost: int
    doubled: int
    supervisor_cpu_ms_per_file: float
    supervisor_rss_mb: float


def written(staging: Path, watched: Path, files: int) -> None:
    """Write the files where the daemon watches, as fast as the disk takes them."""
    del staging
    write_crowd(watched, 0, files)


def moved_in(staging: Path, watched: Path, files: int) -> None:
    """Move one directory in that holds them all."""
    del files
    staging.rename(watched / staging.name)


def measure(base: Path, files: int, drop: Drop) -> Burst:
    """Start a daemon, let the burst come over it, and wait until every file is a job."""
    stand = Stand(base)
    staging = base / "moved"
    staging.mkdir()
    if drop is moved_in:
        write_crowd(staging, 0, files)
    try:
        stand.start()
        stand.ready()
        supervisor = psutil.Process(stand.pid)
        cpu_s, began = _spent_s(supervisor), time.time()
        drop(staging, stand.site.watched, files)
        written_s = time.time() - began
        until(lambda: _jobs(stand) >= files, LIMIT_S, "every file is a job")
        return Burst(
            files=files,
            written_s=round(written_s, 3),
            sighted_s=round(_latest(stand, LAST_SIGHTED) - began, 3),
            jobs_s=round(_latest(stand, "max(changed_at) from sighting where job_id is not null") - began, 3),
            lost=files - stand.count("select count(distinct path) from job"),
            doubled=stand.count("select count(*) - count(distinct path) from job"),
            supervisor_cpu_ms_per_file=round(1000 * (_spent_s(supervisor) - cpu_s) / files, 2),
            supervisor_rss_mb=round(supervisor.memory_info().rss / 1e6),
        )
    finally:
        stand.kill(group=True)
        stand.receiver.close()


def _jobs(stand: Stand) -> int:
    # By the largest number: a count of all rows would slow down what it waits for.
    return stand.count("select coalesce(max(id), 0) from job")


def _latest(stand: Stand, what: str) -> float:
    return float(stand.site.rows(f"select {what}")[0][0])


def _spent_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def verdict(bursts: Mapping[str, Burst]) -> dict[str, object]:
    """Put the bursts together, and say whether all were seen in time and none lost."""
    sound = all(
        burst.lost == burst.doubled == 0 and burst.sighted_s <= MOST_SIGHTED_S for burst in bursts.values()
    )
    return {name: asdict(burst) for name, burst in bursts.items()} | {"held": sound}


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(argv: Sequence[str]) -> int:
    """Run both bursts; 1 where a file was lost, doubled or seen late."""
    files = int(argv[0])
    bursts = {}
    for drop in (written, moved_in):
        with tempfile.TemporaryDirectory(prefix="semwatchd-burst-") as base:
            bursts[drop.__name__] = burst = measure(Path(base), files, drop)
        _say(f"{files} files {drop.__name__}: sighted after {burst.sighted_s} s, jobs after {burst.jobs_s} s")
    said = verdict(bursts)
    _say(json.dumps(said))
    return 0 if said["held"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
