"""``python -m tests.faults CYCLES SEED``: break everything, then prove that nothing is lost."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.faults.run import run


def main(argv: Sequence[str]) -> int:
    """Run; 1 where a rule was broken, and the folder is then kept."""
    cycles, seed = int(argv[0]), int(argv[1])
    base = Path(tempfile.mkdtemp(prefix="semwatchd-faults-"))
    _say(f"{cycles} cycles, seed {seed}, in {base}")
    report = run(base, cycles, seed, _say)
    for violation in report.violations:
        _say(f"VIOLATION {violation}")
    if report.violations:
        _say(f"the folder is kept: {base}; to play it again: make faults CYCLES={cycles} SEED={seed}")
    else:
        shutil.rmtree(base)
    _say(report.as_json(seed))
    return 1 if report.violations else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
