"""Composition root of the depth process: network, numbers, maps. Loads torch."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import torch

from semwatchd.adapters.depth_map import DepthFacts, map_name, write_depth_map
from semwatchd.core.files import make_folder
from semwatchd.core.job import Job
from semwatchd.core.paths import one_line
from semwatchd.engine.disk import DiskLevel, begins_below
from semwatchd.engine.messages import Mapped, Question, Refused, TellerSettings
from semwatchd.engine.ring import Slotted
from semwatchd.models.shipped import weights_or_shipped
from semwatchd.pipeline.crops import Crop, crops, split
from semwatchd.pipeline.inference.loading import Loaded, load_depth_model
from semwatchd.pipeline.inference.mapping import DepthMap, Shown, map_depths

Usage = Callable[[Path], tuple[int, int]]  # free and total bytes of a folder's disk


@dataclass(frozen=True, slots=True)
class _Asked:
    cuts: Sequence[Crop]
    shown: Shown


class DepthTeller:
    """Tells the depth of pictures as they lie in the slab, and keeps the maps.

    Parameters
    ----------
    folder
        Of the maps; each day has a folder in it.
    """

    def __init__(self, loaded: Loaded, folder: Path, usage: Usage) -> None:
        self._loaded = loaded
        self._folder = folder
        self._usage = usage

    @property
    def about(self) -> Mapping[str, str | float]:
        """Which network, and how it is run."""
        timing, manifest = self._loaded.timing, self._loaded.manifest
        return {
            "device": timing.way.device,
            "precision": timing.way.precision.value,
            "layout": timing.way.layout.value,
            "ms_per_image": timing.ms_per_image,
            "architecture": manifest.architecture,
            "weights_sha256": manifest.weights,
        }

    def answers(self, shown: Sequence[tuple[Question, Slotted]]) -> list[Mapped | Refused]:
        """Answer all at once, in their order.

        Raises
        ------
        SickDeviceError, OutOfMemoryError
            It is not the pictures' fault; they may be asked again.
        """
        start = time.perf_counter()
        asked = [_asked(question, picture) for question, picture in shown]
        found = iter(map_depths(self._loaded, [one.shown for one in asked if isinstance(one, _Asked)]))
        share_ms = (time.perf_counter() - start) * 1e3 / len(shown)
        return [
            _refused(question, one)
            if isinstance(one, str)
            else self._told(question, one, next(found), share_ms)
            for (question, _), one in zip(shown, asked, strict=True)
        ]

    def _told(
        self, question: Question, asked: _Asked, found: DepthMap | Exception, share_ms: float
    ) -> Mapped | Refused:
        if isinstance(found, Exception):
            return _refused(question, str(found))
        start = time.perf_counter()
        artefacts, warnings = self._kept(question, asked.cuts, found)
        return Mapped(
            ticket=question.seat.ticket,
            measurements=found.measurements,
            warnings=(*found.warnings, *warnings),
            artefacts=artefacts,
            elapsed_ms=share_ms + (time.perf_counter() - start) * 1e3,
        )

    def _kept(
        self, question: Question, cuts: Sequence[Crop], found: DepthMap
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Write the map; return the paths, or why there are none: the numbers go out all the same."""
        job, manifest = question.job, self._loaded.manifest
        target = self._folder / _day(job) / _name(question)
        facts = DepthFacts.of(
            job.path,
            question.facts,
            weights_sha256=manifest.weights,
            architecture=manifest.architecture,
            left_top_px=tuple((cut.left, cut.top) for cut in cuts),
        )
        try:
            make_folder(target.parent)
            self._require_room()
            write_depth_map(target, found.depths_nm, facts)
        except OSError as error:
            return (), (one_line(f"no depth map was kept in {self._folder}: {error.strerror or error}"),)
        return (str(target), str(target.with_suffix(".png"))), ()

    def _require_room(self) -> None:
        """Leave to the journal what room is left."""
        free_bytes, total_bytes = self._usage(self._folder)
        if free_bytes < begins_below(DiskLevel.SCARCE, total_bytes):
            raise OSError(errno.ENOSPC, f"only {free_bytes / 1e6:.0f} MB of the disk are free")


def build(settings: TellerSettings) -> DepthTeller:
    """Load the network and find out how it runs best here.

    Raises
    ------
    EnvironmentFault
        There are no weights, they cannot be used, or the device is not there.
    """
    cv2.setNumThreads(1)
    torch.set_num_threads(settings.threads)
    loaded = load_depth_model(weights_or_shipped(settings.weights), settings.device, settings.batch)
    return DepthTeller(loaded, settings.folder.absolute(), _usage)


def _usage(folder: Path) -> tuple[int, int]:
    usage = shutil.disk_usage(folder)
    return usage.free, usage.total


def _asked(question: Question, picture: Slotted) -> _Asked | str:
    """Take the picture apart as its plan has put it together, or say why that cannot be."""
    plan, facts = question.job.plan.depth, question.facts
    if plan is None:
        return "its plan asks for no depth"
    cuts = crops(plan, facts.height - facts.info_bar_rows, facts.width)
    if isinstance(cuts, str):
        return cuts
    stack = np.frombuffer(picture.samples, picture.kind).reshape(picture.rows, picture.columns)
    try:
        return _Asked(cuts, Shown(parts=split(stack, cuts), pixel_size_nm=facts.pixel_size_nm))
    except ValueError as error:
        return str(error)


def _refused(question: Question, reason: str) -> Refused:
    return Refused(ticket=question.seat.ticket, reason=one_line(reason))


def _day(job: Job) -> str:
    """Tell the day in UTC; the same whenever the job is done, so that done twice it leaves one map."""
    seen_s = job.mtime_ns / 1e9 if job.detected_at is None else job.detected_at
    return datetime.fromtimestamp(seen_s, UTC).date().isoformat()


def _name(question: Question) -> str:
    return map_name(question.job.path, question.facts.sha256[:12], question.job.plan.plan_hash[:8])
