"""How fast a depth network answers, and what it costs to ask it: ``semwatchd bench depth``.

Runs as its own process: ``python -m semwatchd.offline.bench.depth OPTIONS``, the options as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import nn

from semwatchd.core.errors import EnvironmentFault
from semwatchd.models.networks import Architecture, UnknownArchitectureError, build
from semwatchd.offline.bench.child import end_with_parent
from semwatchd.offline.bench.depth_report import tables
from semwatchd.offline.bench.feeding import feed_all
from semwatchd.offline.bench.handover import Load, costs
from semwatchd.offline.bench.machine import describe
from semwatchd.offline.bench.report import deliver
from semwatchd.pipeline.inference.loading import attempts, ways
from semwatchd.pipeline.inference.probe import MOST_DEVIATION_NM
from semwatchd.pipeline.inference.ways import Run, Way, chosen, runner

EXIT_USAGE, EXIT_LATER = 64, 75
SEED = 1
CROP, FRAME = (72, 48), (1024, 1024)
BATCHES = {CROP: (1, 8, 32, 64, 128, 256), FRAME: (1, 2)}
QUICK_BATCHES = {CROP: (1, 32)}
CELL_S = 2.0  # of measuring one batch size in one way, at least
FEWEST_CALLS, MOST_CALLS = 5, 1000
FED = 512  # pictures
LOADS = (
    Load(rows=72, columns=48, images=6400, group=32),
    Load(rows=1024, columns=1024, images=200, group=4),
)
QUICK_LOADS = (Load(rows=72, columns=48, images=320, group=32),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line asks for."""

    architecture: str = "unet-2-16"
    device: str = "auto"
    threads: int = 1
    quick: bool = False
    as_json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """One batch size in one way."""

    way: str
    rows: int
    columns: int
    batch: int
    calls: int
    images_per_s: float  #: by the clock on the wall
    images_per_cpu_s: float
    p50_ms: float  #: of a batch, from pixels to depths
    p99_ms: float


def measure(options: Options) -> Mapping[str, Any]:
    """Measure everything, and say on what machine."""
    torch.set_num_threads(options.threads)
    torch.manual_seed(SEED)
    network = build(Architecture.named(options.architecture)).eval()
    machine = {**describe(), "torch": torch.__version__}
    tried = attempts(network, ways(options.device))
    best = chosen(list(tried), MOST_DEVIATION_NM)
    if best is None:
        raise EnvironmentFault("no way to run the network on this machine gives the answer it should")
    return {
        "machine": machine,
        "architecture": options.architecture,
        "threads": options.threads,
        "chosen": name_of(best.way),
        "speeds": [asdict(speed) for speed in speeds(network, [timing.way for timing in tried], options)],
        "feeding": [asdict(fed) for fed in feed_all(tried[best], list(_pictures(FED, CROP)))],
        "handover": [
            asdict(cost) for load in (QUICK_LOADS if options.quick else LOADS) for cost in costs(load)
        ],
    }


def speeds(network: nn.Module, candidates: Sequence[Way], options: Options) -> Iterator[Speed]:
    """Time each way with each size and batch."""
    batches, cell_s = (QUICK_BATCHES, 0.0) if options.quick else (BATCHES, CELL_S)
    for way in candidates:
        run = runner(network, way)
        for shape, counts in batches.items():
            for count in counts:
                yield _speed(run, name_of(way), _pictures(count, shape), cell_s)


def _speed(run: Run, way: str, grey: Any, cell_s: float) -> Speed:  # noqa: ANN401 — pixels
    run(grey)
    start, cpu_start, spent_s = time.perf_counter(), time.process_time(), list[float]()
    while len(spent_s) < FEWEST_CALLS or (sum(spent_s) < cell_s and len(spent_s) < MOST_CALLS):
        before = time.perf_counter()
        run(grey)
        spent_s.append(time.perf_counter() - before)
    wall_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu_start
    count, rows, columns = grey.shape
    return Speed(
        way=way,
        rows=rows,
        columns=columns,
        batch=count,
        calls=len(spent_s),
        images_per_s=count * len(spent_s) / wall_s,
        images_per_cpu_s=count * len(spent_s) / cpu_s,
        p50_ms=float(np.percentile(spent_s, 50)) * 1e3,
        p99_ms=float(np.percentile(spent_s, 99)) * 1e3,
    )


def name_of(way: Way) -> str:
    """Say a way in words."""
    return f"{way.device} {way.precision} {way.layout}"


def _pictures(count: int, shape: tuple[int, int]) -> Any:  # noqa: ANN401 — uint8 pixels
    return np.random.default_rng(SEED).integers(0, 256, (count, *shape), np.uint8)


def main(arguments: Sequence[str]) -> int:
    """Measure, and print tables or JSON."""
    end_with_parent()
    options = Options(**json.loads(arguments[0]))
    try:
        document = measure(options)
    except (UnknownArchitectureError, EnvironmentFault) as error:
        print(f"bench: {error}", file=sys.stderr)  # noqa: T201 — our own terminal
        return EXIT_USAGE if isinstance(error, UnknownArchitectureError) else EXIT_LATER
    deliver(document, tables, Console(), as_json=options.as_json)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
