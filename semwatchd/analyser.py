"""Composition root of a worker: reader and stages, put together once and kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial

import cv2

from semwatchd.adapters.reader import decode
from semwatchd.adapters.source import read_once
from semwatchd.core.errors import DataError, EnvironmentFault
from semwatchd.core.image import SemImage
from semwatchd.core.plan import Plan
from semwatchd.core.ports import Decoder
from semwatchd.engine.settings import WorkerSettings
from semwatchd.engine.worker import Analyse, analyse
from semwatchd.pipeline.build import build_stages
from semwatchd.pipeline.stage import Stage

PLANS_KEPT = 8  # built plans per worker; each holds its reference's spectra


def build(settings: WorkerSettings) -> Analyse:
    """Make the function that turns a job into an outcome."""
    cv2.setNumThreads(1)
    decode_bounded = partial(decode, max_pixels=settings.max_pixels)
    return partial(analyse, read=read_once, decode=decode_bounded, stages_of=_stages_of(decode_bounded))


def _stages_of(decode_bounded: Decoder) -> Callable[[Plan], Sequence[Stage]]:
    @lru_cache(maxsize=PLANS_KEPT)
    def stages_of(plan: Plan) -> Sequence[Stage]:
        return build_stages(plan, _load_reference(plan, decode_bounded))

    return stages_of


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
