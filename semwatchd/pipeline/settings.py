"""What the operator says of a plan. Loads neither numpy nor OpenCV."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from semwatchd.core.plan import Plan

StageName = Literal["intensity", "sharpness", "spectrum", "scan", "registration", "features"]
KNOWN_STAGES: tuple[StageName, ...] = get_args(StageName)

#: A vector to learn from is no news for the fab: only where a plan asks for it.
USUAL_STAGES = tuple(name for name in KNOWN_STAGES if name != "features")


class PlanSettings(BaseModel):
    """A named set of stages, and the picture every image is compared with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stages: Annotated[
        tuple[StageName, ...], Field(min_length=1, description="What is measured, in this order.")
    ] = USUAL_STAGES
    reference: Annotated[
        Path | None,
        Field(description="Image that the registration stage measures the shift against; none: no shift."),
    ] = None


def plan_from(name: str, settings: PlanSettings) -> Plan:
    """Make the plan. Its hash covers the reference's bytes, so a new picture is a new plan.

    Raises
    ------
    OSError
        The reference cannot be read.
    """
    if settings.reference is None:
        return Plan(name=name, stages=settings.stages)
    reference_sha256 = hashlib.sha256(settings.reference.read_bytes()).hexdigest()
    return Plan(
        name=name,
        stages=settings.stages,
        reference=str(settings.reference.absolute()),
        reference_sha256=reference_sha256,
    )
