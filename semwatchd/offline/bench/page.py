"""Write ``docs/benchmarks.md`` and its plots anew: ``python -m semwatchd.offline.bench.page DOCS [SCALE]``.

SCALE (1 by default) says what part of the usual number of images, rounds and shifts is measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from semwatchd.offline.bench import accuracy_report, load_report, measure_report
from semwatchd.offline.bench.child import document_of
from semwatchd.offline.bench.report import Table, markdown

ROUNDS, SHIFTS, IMAGES = 15, 50, 2000

HEAD = """\
# Benchmarks

Measured {date} by `make bench-docs`, which writes this page. Each table was taken in one run in which all
took turns, single-threaded but where it says otherwise; figures are medians, times are processor time (user
and system). Where the load at the start is more than about 1, others were at work on the same cores: then
only ratios and errors count, and times are up to several times too long. How to take and read them:
[benchmark](how-to/benchmark.md).

## The machine

{machine}

## What an image costs

`plain recipe`: what one writes in an afternoon for the same quantities. `cv2.imread`, the file's hash,
`cv2.Laplacian(CV_64F).var()`, Sobel gradients in float64, numpy's percentiles, moments and entropy, SNR,
radial power and its ellipse from float64 FFTs, neighbouring lines correlated by FFT, scikit-image's
`phase_cross_correlation` upsampled 100 times. `four steps` of it are reading, Laplacian, SNR and shift,
without the rest. semwatchd's figure holds all that a worker does with a file: hash, facts of the tool, info
bar, all stages of the default plan. Medians of {rounds} rounds for the smallest frames, fewer for larger
ones; what is shorter than 40 ms is repeated within a round.

{measure}
## How wrong it is

Four simulated scenes of {frame_px} x {frame_px} pixels in 8 bits, both frames noisy, shot noise, gain 0.75 to
1.2, spots of 1 and 1.5 px in turn, {shifts} shifts of up to 16 px per cell; SNR = var(signal) / var(noise).
The Cramér-Rao bound is the least error any unbiased method can have. Signal-to-noise ratios and sharpness:
SNR of 1 to 20, spots of 1 to 2.5 px; noise `along x` is that of a slow detector.

{accuracy}
![RMS error of the shift against SNR, per scene and method](images/accuracy-registration.png)

![Error of the SNR against SNR, per estimator](images/accuracy-snr.png)

![Sharp over blurred, against SNR, per measure](images/accuracy-sharpness.png)

## How many images a minute

Compute only, files in the page cache: workers of the daemon, each way with processes of its own that take
turns. Whether pinning helps is the difference between the first two lines.

{load}
End to end, with journal and HTTP delivery to a receiver on the same cores: **{images_per_min:.0f}
images/min**, {cpu_ms:.1f} ms of processor time per image in all processes of the daemon.
"""


def page(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Write the page from what the four benchmarks say with ``--json``."""
    machine = "\n".join(f"- {name}: {value}" for name, value in found["measure"]["machine"].items())
    return HEAD.format(
        date=time.strftime("%Y-%m-%d"),
        machine=machine,
        measure=_joined(measure_report.tables(found["measure"])),
        rounds=found["measure"]["rounds"],
        frame_px=found["accuracy"]["frame_px"],
        shifts=found["accuracy"]["shifts"],
        accuracy=_joined(accuracy_report.tables(found["accuracy"])),
        load=_joined(load_report.tables(found["load"])),
        images_per_min=found["pipeline"]["images_per_min"],
        cpu_ms=found["pipeline"]["cpu_ms_per_image"],
    )


def _joined(tables: Sequence[Table]) -> str:
    return "\n".join(markdown(table) for table in tables)


def measure_all(docs: Path, scale: float) -> dict[str, Mapping[str, Any]]:
    """Run all four benchmarks, one after the other; the plots go beside the page."""
    shifts = max(2, round(SHIFTS * scale))
    images = max(40, round(IMAGES * scale))
    rounds = max(1, round(ROUNDS * scale))
    return {
        "measure": document_of("measure", {"rounds": rounds}),
        "accuracy": document_of("accuracy", {"shifts": shifts, "plots": str(docs / "images")}),
        "load": document_of("load", {"images": images, "rounds": max(1, rounds // 3)}),
        "pipeline": _pipeline(images),
    }


def _pipeline(images: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "semwatchd", "bench", "pipeline", "--json", "--images", str(images)]
    said = subprocess.run(command, env=os.environ, check=True, stdout=subprocess.PIPE).stdout
    document: dict[str, Any] = json.loads(said)
    return document


def main(argv: Sequence[str]) -> int:
    """Measure, then write."""
    docs, scale = Path(argv[0]), float(argv[1]) if len(argv) > 1 else 1.0
    (docs / "benchmarks.md").write_text(page(measure_all(docs, scale)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
