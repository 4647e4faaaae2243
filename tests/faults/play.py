"""One run, or several side by side, each in a folder of its own."""

from __future__ import annotations

import multiprocessing
import shutil
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from tests.faults.run import Report, run, together

SEEDS_APART = 10_000  #: seeds of the runs side by side; nobody counts so far by hand


def play(cycles: int, seed: int, name: str = "") -> Report:
    """Play one run in a folder of its own, which is kept if a rule was broken."""
    base = Path(tempfile.mkdtemp(prefix="semwatchd-faults-"))
    say(f"{name}{cycles} cycles, seed {seed}, in {base}")
    report = run(base, cycles, seed, partial(_say_as, name))
    if not report.violations:
        shutil.rmtree(base)
    return report


def play_side_by_side(cycles: int, seed: int, jobs: int) -> Report:
    """Divide the cycles among so many daemons, each with its own folders, faults and seed.

    A cycle is mostly waiting, so this takes little longer than one part; but the daemons disturb each other,
    and the time of a recovery is that of a busy machine.
    """
    parts = [cycles // jobs + (number < cycles % jobs) for number in range(jobs)]
    seeds = [seed + SEEDS_APART * number for number in range(jobs)]
    names = [f"[{number}] " for number in range(jobs)]
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        return together(list(pool.map(_part, parts, seeds, names)))


def _part(cycles: int, seed: int, name: str) -> Report:
    """Play one of several runs, and say at once what came of it: another may yet fail to end."""
    report = play(cycles, seed, name)
    say(f"{name}{report.as_json(seed)}")
    return report


def _say_as(name: str, line: str) -> None:
    say(f"{name}{line}")


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
