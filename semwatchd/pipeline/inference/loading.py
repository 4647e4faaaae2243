"""From a weights' file to a model that runs in the way this machine is best at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from semwatchd.core.errors import EnvironmentFault
from semwatchd.models.checkpoint import load_model
from semwatchd.models.manifest import Manifest
from semwatchd.models.networks import Architecture
from semwatchd.pipeline.inference.model import MOST_IMAGES, DepthModel
from semwatchd.pipeline.inference.probe import MOST_DEVIATION_NM, Probe
from semwatchd.pipeline.inference.ways import (
    ON_CPU,
    ON_CUDA,
    Run,
    Timing,
    Way,
    chosen,
    clock_of,
    runner,
    timed,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A model at work, and what was found out about it."""

    model: DepthModel
    manifest: Manifest
    timing: Timing  #: of the way that was chosen
    timings: tuple[Timing, ...]  #: of all ways that were tried


def load_depth_model(path: Path, device: str = "auto", most: int = MOST_IMAGES) -> Loaded:
    """Load weights, try what the machine can do, and take what is fastest and exact enough.

    Parameters
    ----------
    device
        "auto", "cpu" or "cuda".
    most
        Pictures or tiles in a batch, up to 256.

    Raises
    ------
    UnusableWeightsError
        As :func:`~semwatchd.models.checkpoint.load_model`.
    EnvironmentFault
        CUDA was asked for and is not there, or no way gives the answer that float32 gives.
    """
    network, manifest = load_model(path)
    tried = attempts(network, ways(device))
    timing = chosen(list(tried), MOST_DEVIATION_NM)
    if timing is None:
        raise EnvironmentFault(f"{path}: no way to run it on this machine gives the answer it should")
    step = 2 ** Architecture.named(manifest.architecture).levels
    model = DepthModel(tried[timing], Probe.of(network), step, most)
    return Loaded(model=model, manifest=manifest, timing=timing, timings=tuple(tried))


def ways(device: str) -> tuple[Way, ...]:
    """Return what may be tried on a device called "auto", "cpu" or "cuda".

    Raises
    ------
    EnvironmentFault
        CUDA was asked for and is not there.
    """
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise EnvironmentFault("torch sees no CUDA device here; use the CPU, or look at nvidia-smi")
    return ON_CUDA if there and device != "cpu" else ON_CPU


def attempts(network: nn.Module, candidates: Sequence[Way]) -> Mapping[Timing, Run]:
    """Run the known pictures in each way."""
    probe = Probe.of(network)
    return {_timing(run, way, probe): run for way in candidates for run in [runner(network, way)]}


def _timing(run: Run, way: Way, probe: Probe) -> Timing:
    ms = timed(run, probe.grey, clock_of(way.device))
    return Timing(way=way, ms_per_image=ms, deviation_nm=probe.deviation_nm(run))
