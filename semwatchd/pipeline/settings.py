"""What the operator says of a plan. Loads neither numpy nor OpenCV."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from semwatchd.core.plan import Plan

StageName = Literal[
    "intensity", "sharpness", "spectrum", "scan", "registration", "drift", "similarity", "features"
]
KNOWN_STAGES: tuple[StageName, ...] = get_args(StageName)

#: Drift costs as much as the registration and rotation several times that, and a vector to learn from is no
#: news for the fab: only where a plan asks for them.
USUAL_STAGES = tuple(name for name in KNOWN_STAGES if name not in {"drift", "similarity", "features"})


class RegistrationSettings(BaseModel):
    """How the shift is found, and against what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Annotated[
        Literal["weighted", "phase_correlation"],
        Field(description="How the shift is found; plain phase correlation is there for comparison."),
    ] = "weighted"
    against: Annotated[
        Literal["golden", "first_of_lot", "previous"],
        Field(description="Compare with the plan's reference, or with an earlier image of the same lot."),
    ] = "golden"


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
    registration: Annotated[
        RegistrationSettings, Field(description="How the shift is found, and against what.")
    ] = RegistrationSettings()

    @model_validator(mode="after")
    def _one_reference(self) -> Self:
        against = self.registration.against
        if self.reference is not None and against != "golden":
            raise ValueError(
                f"a reference is named, but registration.against = {against!r} compares with earlier images; "
                "leave one of them out"
            )
        return self


def plan_from(name: str, settings: PlanSettings) -> Plan:
    """Make the plan. Its hash covers the reference's bytes, so a new picture is a new plan.

    Raises
    ------
    OSError
        The reference cannot be read.
    """
    how = settings.registration
    plan = Plan(name=name, stages=settings.stages, method=how.method, against=how.against)
    if settings.reference is None:
        return plan
    reference_sha256 = hashlib.sha256(settings.reference.read_bytes()).hexdigest()
    path = str(settings.reference.absolute())
    return replace(plan, reference=path, reference_sha256=reference_sha256)
