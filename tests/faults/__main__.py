"""``python -m tests.faults CYCLES SEED [JOBS]``: break everything, then prove that nothing is lost."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tests.faults.play import play, play_side_by_side, say


def main(argv: Sequence[str]) -> int:
    """Run; 1 where a rule was broken, and the folders are then kept."""
    cycles, seed, jobs = (*map(int, argv), 1)[:3]
    report = play_side_by_side(cycles, seed, jobs) if jobs > 1 else play(cycles, seed)
    for violation in report.violations:
        say(f"VIOLATION {violation}")
    if report.violations:
        say(f"the folders are kept; to play it again: make faults CYCLES={cycles} SEED={seed} JOBS={jobs}")
    say(report.as_json(seed))
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
