"""What the operator says of a plan. Loads neither numpy nor OpenCV."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from semwatchd.core.plan import DepthPlan, Plan

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


LEAST_SIDE_PX = 16  # no network tells anything of less
Corner = Annotated[int, Field(ge=0, le=1_000_000)]
Side = Annotated[int, Field(ge=LEAST_SIDE_PX, le=1_000_000)]
Count = Annotated[int, Field(ge=1, le=8)]


class PlanDepthSettings(BaseModel):
    """Which part of each picture a network tells the depth of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    where: Annotated[
        Literal["centre", "whole", "region", "grid"],
        Field(description="A square in the middle, all of it, one named region, or a grid of squares."),
    ] = "centre"
    size_px: Annotated[
        int,
        Field(ge=64, le=2048, multiple_of=16, description="Side of the square, or of each one of a grid."),
    ] = 256
    region: Annotated[
        tuple[Corner, Corner, Side, Side] | None,
        Field(description="Left, top, width and height in px, without the info bar."),
    ] = None
    grid: Annotated[
        tuple[Count, Count], Field(description="Rows and columns of squares, spread over the picture.")
    ] = (2, 2)

    @model_validator(mode="after")
    def _nothing_without_effect(self) -> Self:
        for key in ("size_px", "region", "grid"):
            if key in self.model_fields_set and self.where not in MEANT_FOR[key]:
                raise ValueError(
                    f"{key} has no effect with where = {self.where!r}; leave it out, or write "
                    f"where = {' or '.join(map(repr, MEANT_FOR[key]))}"
                )
        if self.where == "region" and self.region is None:
            raise ValueError("where = 'region' needs region = [left, top, width, height] in px")
        return self


#: Where each key of the depth has a meaning.
MEANT_FOR = {"size_px": ("centre", "grid"), "region": ("region",), "grid": ("grid",)}


class PlanSettings(BaseModel):
    """A named set of stages, the picture every image is compared with, and where its depth is asked for."""

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
    depth: Annotated[
        PlanDepthSettings | None,
        Field(description="Where a network tells the depth of each picture; none: nowhere."),
    ] = None

    @model_validator(mode="after")
    def _one_reference(self) -> Self:
        against = self.registration.against
        if self.reference is not None and against != "golden":
            raise ValueError(
                f"a reference is named, but registration.against = {against!r} compares with earlier images; "
                "leave one of them out"
            )
        return self


def plan_from(name: str, settings: PlanSettings, weights_sha256: str | None = None) -> Plan:
    """Make the plan. Its hash covers the reference's bytes, so a new picture is a new plan.

    Parameters
    ----------
    weights_sha256
        Of the network that tells the depth, where the plan asks for any; another network is a new plan too.

    Raises
    ------
    OSError
        The reference cannot be read.
    """
    how = settings.registration
    plan = Plan(
        name=name,
        stages=settings.stages,
        method=how.method,
        against=how.against,
        depth=_depth_from(settings.depth, weights_sha256) if settings.depth else None,
    )
    if settings.reference is None:
        return plan
    reference_sha256 = hashlib.sha256(settings.reference.read_bytes()).hexdigest()
    path = str(settings.reference.absolute())
    return replace(plan, reference=path, reference_sha256=reference_sha256)


def _depth_from(settings: PlanDepthSettings, weights_sha256: str | None) -> DepthPlan:
    return DepthPlan(
        where=settings.where,
        size_px=settings.size_px,
        region=settings.region,
        grid=settings.grid,
        weights_sha256=weights_sha256,
    )
