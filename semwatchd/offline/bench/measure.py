"""What one image costs, beside what it would cost otherwise: ``semwatchd bench measure``.

Runs as its own process: ``python -m semwatchd.offline.bench.measure OPTIONS``, the options as JSON.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import tifffile
from rich.console import Console

from semwatchd import analyser
from semwatchd.adapters.reader import DEFAULT_MAX_PIXELS, decode
from semwatchd.adapters.source import read_once
from semwatchd.adapters.tiff import decode_tiff
from semwatchd.core.job import Job, Result
from semwatchd.engine.settings import WorkerSettings
from semwatchd.engine.worker import Analyse, leave_nothing
from semwatchd.imaging.differences import squared_differences
from semwatchd.imaging.noise import noise_variance
from semwatchd.imaging.registration import prepare_reference, register
from semwatchd.imaging.sharpness import laplacian_variance, tenengrad, tenengrad_corrected
from semwatchd.imaging.snr import image_variance
from semwatchd.offline.bench import plain
from semwatchd.offline.bench.child import end_with_parent
from semwatchd.offline.bench.files import Size, Stock, make_stock, write_formats
from semwatchd.offline.bench.machine import describe
from semwatchd.offline.bench.measure_report import tables
from semwatchd.offline.bench.peers import peer
from semwatchd.offline.bench.report import deliver
from semwatchd.offline.bench.timing import Task, Timing, in_turns, ratio
from semwatchd.offline.show import progress

OURS = "semwatchd"
PLAIN, FOUR_STEPS = "plain recipe", "four steps of it"
IMAGES = 4  # taken in turns, so that no picture stays in the processor's cache

STANDARD = Size(side_px=1024, bits=8)
LARGE = (Size(side_px=2048, bits=16), Size(side_px=4096, bits=16))
FEWEST_ROUNDS = 3
DETAILED_UP_TO_PX = 2048  # of larger frames only the whole image: others take seconds for each measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line asks for."""

    rounds: int = 15
    quick: bool = False  #: the standard size only, few rounds
    as_json: bool = False


@dataclass(slots=True)
class Ours:
    """The product's own line, which also says what its stages cost."""

    analyse: Analyse
    jobs: Sequence[Job]
    stages: list[Mapping[str, float]] = field(default_factory=list)

    def __call__(self, number: int) -> None:
        """Measure one image."""
        outcome = self.analyse(self.jobs[number % len(self.jobs)], str, leave_nothing)
        if not isinstance(outcome, Result):
            raise TypeError(f"the benchmark's own image was not measured: {outcome.reason}")
        self.stages.append(outcome.cpu_ms)

    def stages_cpu_ms(self) -> dict[str, float]:
        """Median per stage."""
        return {name: statistics.median(each[name] for each in self.stages) for name in self.stages[0]}


def measure(options: Options, console: Console) -> dict[str, Any]:
    """Run all contests and collect their figures."""
    sizes = (STANDARD,) if options.quick else (STANDARD, *LARGE)
    rounds = 1 if options.quick else options.rounds
    machine = describe()
    with (
        tempfile.TemporaryDirectory(prefix="semwatchd-bench-") as directory,
        progress(console, 3 * len(sizes)) as report,
    ):
        found = []
        for number, size in enumerate(sizes):
            report(3 * number, f"{size}: preparing")
            found.append(_at(size, Path(directory) / str(number), _rounds(size, rounds), report, 3 * number))
        report(3 * len(sizes), "done")
    first = found[0]
    return {
        "machine": machine,
        "rounds": rounds,
        "cpu_ms_per_image": first["cpu_ms_per_image"],
        "ratio_to_plain_recipe": first["ratio_to_plain_recipe"],
        "ratio_to_four_steps": first["ratio_to_four_steps"],
        "sizes": found,
    }


def _rounds(size: Size, rounds: int) -> int:
    """Fewer of larger frames, whose plain recipe takes seconds."""
    return max(min(FEWEST_ROUNDS, rounds), rounds * STANDARD.side_px**2 // size.side_px**2)


def _at(
    size: Size, directory: Path, rounds: int, report: Callable[[int, str], None], done: int
) -> dict[str, Any]:
    stock = make_stock(directory, size, IMAGES if size == STANDARD else 2)
    report(done, f"{size}: whole image")
    ours, whole = _whole(stock, rounds)
    report(done + 1, f"{size}: each measurement")
    contests = {}
    if size.side_px <= DETAILED_UP_TO_PX:
        contests = _measurements(stock, rounds) | _formats(directory, stock, rounds)
    report(done + 2, f"{size}: done")
    return {
        "size": str(size),
        "cpu_ms_per_image": whole[OURS].median_ms,
        "ratio_to_plain_recipe": ratio(whole[PLAIN], whole[OURS]),
        "ratio_to_four_steps": ratio(whole[FOUR_STEPS], whole[OURS]),
        "stages_cpu_ms": ours.stages_cpu_ms(),
        "contests": [
            {"item": item, "entrants": _entrants(timings)}
            for item, timings in ({"whole image": whole} | contests).items()
        ],
    }


def _entrants(timings: Mapping[str, Timing]) -> list[dict[str, Any]]:
    first = next(iter(timings.values()))
    return [
        {"who": who, "cpu_ms": timing.median_ms, "ratio": ratio(timing, first), "note": timing.note}
        for who, timing in timings.items()
    ]


def _whole(stock: Stock, rounds: int) -> tuple[Ours, dict[str, Timing]]:
    """Time file to numbers: what a worker does with a job, and the plain recipe on the same file."""
    ours = Ours(analyser.build(WorkerSettings()), stock.jobs())
    reference = plain.read(str(stock.reference))
    paths = [str(path) for path in stock.paths]
    timings = in_turns(
        {
            OURS: ours,
            PLAIN: lambda n: plain.recipe(paths[n % len(paths)], reference),
            FOUR_STEPS: lambda n: plain.four_steps(paths[n % len(paths)], reference),
        },
        rounds,
    )
    return ours, timings


def _measurements(stock: Stock, rounds: int) -> dict[str, dict[str, Timing]]:
    """Time single measurements on pixels that are already in memory."""
    frames = [tifffile.imread(path) for path in stock.paths]
    reference = tifffile.imread(stock.reference)
    as_float = [frame.astype(np.float32) for frame in frames]
    reference_float = reference.astype(np.float32)
    hann = cv2.createHanningWindow(reference.shape[::-1], cv2.CV_32F)
    prepared = prepare_reference(reference)

    def on(measure: Callable[[Any], object], images: Sequence[Any] = frames) -> Task:
        return lambda number: measure(images[number % len(images)])

    def skimage(normalization: str | None) -> Callable[[Any], object]:
        return lambda image: peer("skimage.registration").phase_cross_correlation(
            reference, image, upsample_factor=100, normalization=normalization
        )

    contests: dict[str, dict[str, Task]] = {
        "sharpness, noise and SNR": {
            OURS: on(_ours_together),
            "plain: cv2.Laplacian 64F .var() alone": on(plain.sharpness),
            "plain: SNR alone, numpy FFT 64F": on(plain.snr),
            "plain: Tenengrad alone, cv2.Sobel 64F": on(plain.tenengrad),
            "scipy.ndimage.laplace 64F .var() alone": on(_laplace_scipy),
            "scipy.ndimage.sobel 64F, Tenengrad alone": on(_sobel_scipy),
        },
        "registration": {
            OURS: on(lambda image: register(prepared, image)),
            "plain: skimage, upsample 100": on(skimage("phase")),
            "skimage, upsample 100, not normalised": on(skimage(None)),
            "cv2.phaseCorrelate": on(lambda image: cv2.phaseCorrelate(reference_float, image), as_float),
            "cv2.phaseCorrelate, Hann window": on(
                lambda image: cv2.phaseCorrelate(reference_float.copy(), image.copy(), hann), as_float
            ),
        },
    }
    return {item: in_turns(tasks, rounds) for item, tasks in contests.items()}


def _ours_together(image: Any) -> tuple[float, ...]:  # noqa: ANN401 — an array of whatever the file holds
    table = squared_differences(image)
    noise = noise_variance(table)
    corrected = tenengrad_corrected(tenengrad(table), noise)
    return laplacian_variance(image, table), corrected, noise.along_x, image_variance(image)


def _laplace_scipy(image: Any) -> float:  # noqa: ANN401
    return float(peer("scipy.ndimage").laplace(image.astype(np.float64)).var())


def _sobel_scipy(image: Any) -> float:  # noqa: ANN401
    ndimage, grey = peer("scipy.ndimage"), image.astype(np.float64)
    return float((ndimage.sobel(grey, 0) ** 2 + ndimage.sobel(grey, 1) ** 2).mean())


def _formats(directory: Path, stock: Stock, rounds: int) -> dict[str, dict[str, Timing]]:
    """Time file to pixels, format by format."""
    return {
        f"decode: {name}": in_turns(_readers(str(path)), rounds)
        for name, path in write_formats(directory, stock.paths[0]).items()
    }


def _readers(path: str) -> dict[str, Task]:
    return {
        OURS: lambda _: decode_tiff(Path(path).read_bytes(), DEFAULT_MAX_PIXELS),
        "with hash, facts, info bar": lambda _: decode(read_once(path)),
        "cv2.imread": lambda _: plain.read(path),
        "tifffile": lambda _: tifffile.imread(path),
        "imagecodecs": lambda _: imagecodecs.imread(path, codec="tiff"),
    }


def main(argv: Sequence[str]) -> int:
    """Run as a process."""
    cv2.setNumThreads(1)
    cv2.utils.logging.setLogLevel(
        cv2.utils.logging.LOG_LEVEL_SILENT
    )  # it cannot read zstd, and says so often
    end_with_parent()
    options = Options(**json.loads(argv[0]))
    console = Console(stderr=options.as_json)
    document = measure(options, console)
    deliver({"options": asdict(options)} | document, tables, console, as_json=options.as_json)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
