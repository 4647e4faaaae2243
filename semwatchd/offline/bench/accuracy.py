"""How wrong the numbers are, on pictures of known truth: ``semwatchd bench accuracy``.

Runs as its own process: ``python -m semwatchd.offline.bench.accuracy OPTIONS``, the options as JSON.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from itertools import chain, cycle, product
from multiprocessing import get_context
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
from rich.console import Console

from semwatchd.offline.bench.accuracy_report import tables
from semwatchd.offline.bench.child import end_with_parent
from semwatchd.offline.bench.machine import describe
from semwatchd.offline.bench.peers import missing
from semwatchd.offline.bench.plots import draw
from semwatchd.offline.bench.report import deliver
from semwatchd.offline.bench.scenes import NoiseKind
from semwatchd.offline.bench.trials import (
    FocusKept,
    FocusTask,
    Miss,
    NoiseTask,
    SceneName,
    ShiftTask,
    SnrMiss,
    focus_kept,
    shift_misses,
    snr_misses,
)
from semwatchd.offline.show import progress

SCENES: Sequence[SceneName] = get_args(SceneName)
SHIFT_SNRS = (1.0, 5.0, 20.0)
NOISE_SNRS = (1.0, 2.0, 5.0, 10.0, 20.0)
PSFS_PX = (1.0, 1.5, 2.5)
SHIFT_PSFS_PX = (1.0, 1.5)  # in turn, reference by reference
NOISES: Sequence[NoiseKind] = get_args(NoiseKind)
DRAWS = 4
SHIFTS_PER_REFERENCE = 10  # a reference's own noise is common to all shifts against it
FAR_PX = 1.0  # an error beyond this is a wrong answer, not an inexact one

USAGE = 64

Task = tuple[Callable[[Any], list[Any]], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line asks for."""

    shifts: int = 50  #: per scene and SNR
    quick: bool = False  #: few small frames: whether it works, not how well
    plots: str | None = None  #: folder for the plots
    as_json: bool = False

    @property
    def frame_px(self) -> int:
        """Side of the frames."""
        return 256 if self.quick else 1024


def measure(options: Options, console: Console) -> dict[str, Any]:
    """Run all trials on all cores and collect their errors."""
    machine = describe()
    found = _run(_tasks(options), console)
    return {
        "machine": machine,
        "frame_px": options.frame_px,
        "shifts": _shifts(options),
        "missing": missing("skimage.registration"),
        "registration": registration_rows(m for m in found if isinstance(m, Miss)),
        "snr": snr_rows([m for m in found if isinstance(m, SnrMiss)], options.frame_px),
        "sharpness": sharpness_rows([m for m in found if isinstance(m, FocusKept)]),
    }


def _shifts(options: Options) -> int:
    return 2 if options.quick else options.shifts


def _tasks(options: Options) -> list[Task]:
    """Lay out all trials; those of one scene stand together, so that it is built once per process."""
    size = {"frame_px": options.frame_px}
    shifts = _shifts(options)
    parts = [min(SHIFTS_PER_REFERENCE, shifts - done) for done in range(0, shifts, SHIFTS_PER_REFERENCE)]
    shift_tasks = (
        ShiftTask(scene=scene, snr=snr, psf_px=psf, seed=seed, shifts=part, **size)
        for scene, snr, (seed, (part, psf)) in product(
            SCENES, SHIFT_SNRS, enumerate(zip(parts, cycle(SHIFT_PSFS_PX), strict=False))
        )
    )
    psfs, snrs = (PSFS_PX[:1], NOISE_SNRS[::4]) if options.quick else (PSFS_PX, NOISE_SNRS)
    noise_tasks = (
        NoiseTask(scene=scene, psf_px=psf, snr=snr, noise=noise, seed=1, draws=DRAWS, **size)
        for scene, psf, snr, noise in product(SCENES, psfs, snrs, NOISES)
    )
    focus_tasks = (
        FocusTask(scene=scene, snr=snr, seed=2, draws=DRAWS, **size)
        for scene, snr in product(SCENES, SHIFT_SNRS)
    )
    return [
        *((shift_misses, task) for task in shift_tasks),
        *((snr_misses, task) for task in noise_tasks),
        *((focus_kept, task) for task in focus_tasks),
    ]


def _run(tasks: Sequence[Task], console: Console) -> list[Any]:
    cores = len(os.sched_getaffinity(0))
    with (
        ProcessPoolExecutor(cores, get_context("spawn"), initializer=_begin) as pool,
        progress(console, len(tasks)) as report,
    ):
        running = [pool.submit(function, task) for function, task in tasks]
        for done, _ in enumerate(as_completed(running), start=1):
            report(done, "trials")
        return list(chain.from_iterable(future.result() for future in running))


def _begin() -> None:
    """Prepare a process of the pool."""
    end_with_parent()
    cv2.setNumThreads(1)


def registration_rows(misses: Iterable[Miss]) -> list[dict[str, Any]]:
    """Errors per scene, SNR and method."""
    cells: dict[tuple[str, float, str], list[Miss]] = defaultdict(list)
    for miss in misses:
        cells[miss.scene, miss.snr, miss.method].append(miss)
    return [
        {"scene": scene, "snr": snr, "method": method, **_shift_errors(cell)}
        for (scene, snr, method), cell in cells.items()
    ]


def _shift_errors(cell: Sequence[Miss]) -> dict[str, Any]:
    lengths = [float(np.hypot(*miss.error_px)) for miss in cell if miss.error_px is not None]
    near = [length for length in lengths if length <= FAR_PX]
    in_sigmas = [
        error / sigma
        for miss in cell
        if miss.error_px is not None and miss.sigma_px is not None
        for error, sigma in zip(miss.error_px, miss.sigma_px, strict=True)
    ]
    return {
        "trials": len(cell),
        "rms_px": _rms(near),
        "p95_px": float(np.percentile(near, 95)) if near else None,
        "wrong": len(lengths) - len(near),
        "wrong_and_sure": sum(_is_far(miss) and not miss.doubtful for miss in cell),
        "refused": len(cell) - len(lengths),
        "doubtful": sum(miss.doubtful for miss in cell),
        "bound_px": _rms([float(np.hypot(*miss.bound_px)) for miss in cell]),
        "error_in_sigmas": _rms(in_sigmas),
    }


def _is_far(miss: Miss) -> bool:
    return miss.error_px is not None and float(np.hypot(*miss.error_px)) > FAR_PX


def snr_rows(misses: Sequence[SnrMiss], frame_px: int) -> list[dict[str, Any]]:
    """Bias and scatter per estimator and kind of noise; the worst over all scenes, blurs and ratios."""
    cells: dict[tuple[str, NoiseKind], list[SnrMiss]] = defaultdict(list)
    for miss in misses:
        cells[miss.estimator, miss.noise].append(miss)
    return [
        {
            "estimator": estimator,
            "noise": noise,
            "cells": len(cell),
            "bias_mean": statistics.fmean(abs(statistics.fmean(miss.errors)) for miss in cell),
            "bias_worst": max(abs(statistics.fmean(miss.errors)) for miss in cell),
            "by_snr": _by_snr(cell),
            "scatter": _rms([statistics.stdev(miss.errors) for miss in cell]),
            "bound": (2 / frame_px**2) ** 0.5,
        }
        for (estimator, noise), cell in cells.items()
    ]


def _by_snr(cell: Sequence[SnrMiss]) -> list[dict[str, float]]:
    biases: dict[float, list[float]] = defaultdict(list)
    for miss in cell:
        biases[miss.snr].append(statistics.fmean(miss.errors))
    return [{"snr": snr, "least": min(found), "most": max(found)} for snr, found in sorted(biases.items())]


def sharpness_rows(found: Sequence[FocusKept]) -> list[dict[str, Any]]:
    """Say what is kept of the ratio between sharp and blurred, per measure and SNR, over all scenes."""
    cells: dict[tuple[str, float], list[float]] = defaultdict(list)
    for each in found:
        cells[each.measure, each.snr].append(each.kept)
    return [
        {
            "measure": measure,
            "snr": snr,
            "kept_mean": statistics.fmean(kept),
            "error_worst": max(abs(value - 1) for value in kept),
        }
        for (measure, snr), kept in cells.items()
    ]


def _rms(values: Sequence[float]) -> float | None:
    return float(np.sqrt(np.mean(np.square(values)))) if values else None


def main(argv: Sequence[str]) -> int:
    """Run as a process."""
    end_with_parent()
    options = Options(**json.loads(argv[0]))
    console = Console(stderr=options.as_json)
    if options.plots is not None and (cannot := missing("matplotlib")):
        console.print(f"--plots: {cannot[0]}", markup=False)
        return USAGE
    document: Mapping[str, Any] = {"options": asdict(options)} | measure(options, console)
    deliver(document, tables, console, as_json=options.as_json)
    if options.plots is not None:
        draw(document, Path(options.plots))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
