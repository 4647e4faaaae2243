"""Composition root of a worker: reader and stages, put together once and kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial

import cv2

from semwatchd.adapters.reader import decode
from semwatchd.adapters.source import read_once
from semwatchd.core.errors import DataError, EnvironmentFault, FileChangedError, FileGoneError
from semwatchd.core.image import SemImage
from semwatchd.core.job import Earlier, Job
from semwatchd.core.plan import Plan
from semwatchd.core.ports import Decoder
from semwatchd.engine.settings import WorkerSettings
from semwatchd.engine.worker import Analyse, analyse
from semwatchd.pipeline.build import Compared, build_stages
from semwatchd.pipeline.crops import stacked
from semwatchd.pipeline.stage import Stage

PLANS_KEPT = 8  # built plans per worker; each holds its reference's spectra


def build(settings: WorkerSettings) -> Analyse:
    """Make the function that turns a job into an outcome."""
    cv2.setNumThreads(1)
    decode_bounded = partial(decode, max_pixels=settings.max_pixels)
    return partial(
        analyse, read=read_once, decode=decode_bounded, stages_of=_stages_of(decode_bounded), cut=stacked
    )


def _stages_of(decode_bounded: Decoder) -> Callable[[Job], Sequence[Stage]]:
    @lru_cache(maxsize=PLANS_KEPT)
    def built(plan: Plan, earlier: Earlier | None) -> Sequence[Stage]:
        reference = _load_reference(plan, decode_bounded)
        if earlier is None:
            return build_stages(plan, reference)
        return build_stages(plan, reference, _load_earlier(earlier, decode_bounded))

    return lambda job: built(job.plan, job.reference)


def _load_earlier(earlier: Earlier, decode_bounded: Decoder) -> Compared:
    """Read an earlier image of the lot, or say why it cannot be used; that spoils no other measurement."""
    try:
        source = read_once(earlier.path)
        if (source.size, source.mtime_ns) != (earlier.size, earlier.mtime_ns):
            why = f"the reference {earlier.path} was written to after it had settled"
            return Compared(path=earlier.path, image=why)
        return Compared(path=earlier.path, image=decode_bounded(source))
    except (FileGoneError, FileChangedError, DataError) as error:
        return Compared(path=earlier.path, image=f"the reference {earlier.path} cannot be used: {error}")


def _load_reference(plan: Plan, decode_bounded: Decoder) -> SemImage | None:
    """Read the plan's reference. What is wrong with it is no fault of the image being measured."""
    if plan.reference is None:
        return None
    source = read_once(plan.reference)
    if source.sha256 != plan.reference_sha256:
        raise EnvironmentFault(
            f"the reference {plan.reference} of plan {plan.name!r} was replaced while the daemon ran; "
            "restart it, so that results carry the new plan's hash"
        )
    try:
        return decode_bounded(source)
    except DataError as error:
        raise EnvironmentFault(
            f"the reference {plan.reference} of plan {plan.name!r} cannot be used: {error}; "
            "name another picture"
        ) from error
