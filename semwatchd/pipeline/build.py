"""From a plan to the row of stages that carries it out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from semwatchd.core.errors import ConfigError
from semwatchd.core.image import SemImage
from semwatchd.core.plan import Plan
from semwatchd.pipeline.alignment import earlier_stage, registration_stage
from semwatchd.pipeline.drifting import drift_stage
from semwatchd.pipeline.quality import (
    features_stage,
    intensity_stage,
    scan_stage,
    sharpness_stage,
    spectrum_stage,
)
from semwatchd.pipeline.settings import KNOWN_STAGES
from semwatchd.pipeline.similarity import similarity_stage
from semwatchd.pipeline.stage import Stage

#: Stages that need the picture and nothing else.
ALONE: dict[str, Callable[[], Stage]] = {
    "intensity": intensity_stage,
    "sharpness": sharpness_stage,
    "spectrum": spectrum_stage,
    "scan": scan_stage,
    "features": features_stage,
}

#: Stages that are left out where there is nothing to compare with.
COMPARING: dict[str, Callable[[SemImage], Stage]] = {"drift": drift_stage, "similarity": similarity_stage}


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """An earlier image that the plan's pictures are compared with."""

    path: str
    image: SemImage | str  #: or why it cannot be used


def build_stages(
    plan: Plan, reference: SemImage | None, earlier: Compared | None = None
) -> tuple[Stage, ...]:
    """Build the stages of ``plan``, in its order; registration only where there is something to compare with.

    Parameters
    ----------
    reference
        The decoded picture at ``plan.reference``; None where the plan has none.
    earlier
        What stands in for it in a plan that compares with earlier images; None for a lot's first.

    Raises
    ------
    ConfigError
        For every stage the plan names that does not exist, and for a missing reference picture.
    """
    problems = [
        f"plan {plan.name!r}: there is no stage {name!r} (allowed: {', '.join(KNOWN_STAGES)})"
        for name in plan.stages
        if name not in KNOWN_STAGES
    ]
    if problems:
        raise ConfigError(problems)
    built = (_build(name, plan, reference, earlier) for name in plan.stages)
    return tuple(stage for stage in built if stage is not None)


def _build(name: str, plan: Plan, reference: SemImage | None, earlier: Compared | None) -> Stage | None:
    if name in ALONE:
        return ALONE[name]()
    if name in COMPARING:
        compared = reference if earlier is None else earlier.image
        return COMPARING[name](compared) if isinstance(compared, SemImage) else None
    return _registration(plan, reference, earlier)


def _registration(plan: Plan, reference: SemImage | None, earlier: Compared | None) -> Stage | None:
    if earlier is not None:
        return earlier_stage(earlier.image, earlier.path, plan.method)
    if plan.reference is None:
        return None
    if reference is None:
        raise ConfigError([f"plan {plan.name!r}: the reference picture {plan.reference} was not loaded"])
    return registration_stage(reference, plan.reference, plan.method)
