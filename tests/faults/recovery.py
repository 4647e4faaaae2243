"""``python -m tests.faults.recovery PENDING STARTS``: how soon a killed daemon with a backlog works again."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from semwatchd.offline.summary import percentile
from tests.daemon import until
from tests.faults.crowd import write_crowd
from tests.faults.stand import Stand

INTAKE_LIMIT_S = 300.0
START_LIMIT_S = 60.0
LONG_S = 3600.0  #: no deadline may end the workers that we hold still

Say = Callable[[str], None]


def measure(base: Path, pending: int, starts: int, say: Say) -> list[float]:
    """Let so many jobs pile up, then kill and start the daemon again and again.

    Returns
    -------
    list of float
        Seconds from each start to the first new result.
    """
    stand = Stand(base, deadline_s=LONG_S)
    try:
        _pile_up(stand, pending)
        say(f"{pending} jobs are waiting")
        return [_one_start(stand, say) for _ in range(starts)]
    finally:
        stand.kill(group=True)
        stand.receiver.close()


def _pile_up(stand: Stand, pending: int) -> None:
    stand.start()
    stand.ready()
    for worker in stand.workers():
        worker.send_signal(signal.SIGSTOP)
    write_crowd(stand.site.watched, 0, pending)
    until(lambda: stand.count("select count(*) from job") >= pending, INTAKE_LIMIT_S, "all are jobs")


def _one_start(stand: Stand, say: Say) -> float:
    stand.kill(group=True)
    before = _results(stand)
    started = time.time()
    stand.start()
    until(lambda: _results(stand) > before, START_LIMIT_S, "a new result")
    (first,) = stand.site.rows("select min(stored_at) from result where stored_at > ?", started)[0]
    waiting = stand.count("select count(*) from job where state = 'queued'")
    say(f"{first - started:.2f} s, {waiting} jobs waiting")
    return float(first - started)


def _results(stand: Stand) -> int:
    return stand.count("select coalesce(max(rowid), 0) + count(*) from result")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(argv: Sequence[str]) -> int:
    """Run, and print the percentiles."""
    pending, starts = int(argv[0]), int(argv[1])
    with tempfile.TemporaryDirectory(prefix="semwatchd-recovery-") as base:
        took_s = measure(Path(base), pending, starts, _say)
    p50_s, p99_s = percentile(took_s, 50), percentile(took_s, 99)
    assert p50_s is not None
    assert p99_s is not None
    said = {"pending": pending, "starts": starts, "p50_s": round(p50_s, 2), "p99_s": round(p99_s, 2)}
    _say(json.dumps(said))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
