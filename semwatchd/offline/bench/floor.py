"""The least error that any network can have on track a: ``semwatchd bench floor``.

Runs as its own process: ``python -m semwatchd.offline.bench.floor OPTIONS``, the options as JSON.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from rich.console import Console

from semwatchd.offline.bench.child import end_with_parent
from semwatchd.offline.bench.report import Table, deliver, digits
from semwatchd.synth.bound import Floor, floor_of
from semwatchd.synth.domain import ONE_TOOL

SIZE = (72, 48)  # rows and columns that networks of the table are trained on
SHOTS = (1, 4)
HEADINGS = {
    "level_nm": "level, any",
    "guess_nm": "level, best guess of four",
    "edges_nm": "edges, RMSE of the picture",
    "picture_nm": "RMSE of the picture",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line asks for."""

    scenes: int = 32
    seed: int = 13
    as_json: bool = False


def measure(options: Options) -> dict[str, Any]:
    """Mean of each bound over the scenes, for one frame and for four."""
    return {"dose": ONE_TOOL.dose[0], "floors": [_means(options, shots) for shots in SHOTS]}


def _means(options: Options, shots: int) -> dict[str, float]:
    floors = [floor_of(options.seed, index, shots, SIZE) for index in range(options.scenes)]
    means = {
        each.name: statistics.fmean(getattr(floor, each.name) for floor in floors) for each in fields(Floor)
    }
    return {"shots": shots, **means}


def tables(document: Mapping[str, Any]) -> Sequence[Table]:
    """Put the bounds into one table."""
    rows = [(f"{row['shots']}", *(digits(row[name], 2) for name in HEADINGS)) for row in document["floors"]]
    title = f"Least errors on track a, nm, at a dose of {document['dose']:.0f} electrons per pixel"
    return (Table(title=title, header=("frames", *HEADINGS.values()), rows=rows),)


def main(argv: Sequence[str]) -> int:
    """Run as a process."""
    end_with_parent()
    options = Options(**json.loads(argv[0]))
    document = {"options": asdict(options)} | measure(options)
    deliver(document, tables, Console(), as_json=options.as_json)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
