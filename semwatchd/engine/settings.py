"""What the operator says of workers, queue and audit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from semwatchd.pipeline.settings import StageName

TimedStage = Literal["read", StageName]


class WorkerSettings(BaseModel):
    """The processes that measure."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: Annotated[
        int, Field(ge=0, le=256, description="Worker processes; 0: one per core allowed to us.")
    ] = 0
    pin: Annotated[
        bool, Field(description="Bind each worker to a core of its own; turn it off on a shared machine.")
    ] = True
    deadline_s: Annotated[
        float, Field(ge=1, le=3600, description="Longest time one image may take before its worker is ended.")
    ] = 30.0
    stage_deadline_s: Annotated[
        dict[TimedStage, Annotated[float, Field(ge=1, le=3600)]],
        Field(description="Longest time of single stages; that of all others is learned."),
    ] = Field(default_factory=dict)
    memory_limit_mb: Annotated[
        int,
        Field(ge=1024, le=65536, description="Address space of a worker; an image needing more fails alone."),
    ] = 2048
    recycle_rss_mb: Annotated[
        int, Field(ge=128, le=65536, description="A worker that holds on to more is started anew.")
    ] = 1024
    recycle_jobs: Annotated[
        int, Field(ge=1, le=1_000_000, description="A worker that has done so many jobs is started anew.")
    ] = 5000
    max_megapixels: Annotated[
        float, Field(gt=0, le=4000, description="Larger pictures are refused before they are decoded.")
    ] = 100.0

    @model_validator(mode="after")
    def _no_stage_outlasts_its_image(self) -> Self:
        for stage, limit_s in self.stage_deadline_s.items():
            if limit_s > self.deadline_s:
                raise ValueError(
                    f"stage_deadline_s.{stage} is {limit_s:g}, more than deadline_s ({self.deadline_s:g}), "
                    "which ends the image first; raise that too"
                )
        return self

    @property
    def max_pixels(self) -> int:
        """Pixels a picture may have."""
        return int(self.max_megapixels * 1e6)


class QueueSettings(BaseModel):
    """The jobs in memory; all others wait in the journal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    capacity: Annotated[
        int, Field(ge=1, le=1000, description="Jobs claimed ahead of the workers; each counts as tried.")
    ] = 8
    drain_s: Annotated[
        float, Field(ge=0, le=600, description="Time for running images to finish when the daemon stops.")
    ] = 20.0


class DepthSettings(BaseModel):
    """The process that tells depths; it runs where a plan asks for them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: Annotated[
        Literal["auto", "cpu", "cuda", "off"],
        Field(description="Where the network runs; auto takes a GPU where one is, off does without depths."),
    ] = "auto"
    weights: Annotated[
        Path | None, Field(description="Weights of 'semwatchd train depth'; by default those that ship.")
    ] = None
    folder: Annotated[
        Path | None, Field(description="Where depth maps are written; by default 'depth' beside the journal.")
    ] = None
    threads: Annotated[int, Field(ge=1, le=64, description="Cores the network may use without a GPU.")] = 1
    batch: Annotated[int, Field(ge=1, le=256, description="Pictures shown at once, at most.")] = 32
    max_wait_s: Annotated[
        float, Field(ge=0, le=10, description="How long the first picture waits for others to join it.")
    ] = 0.02
    seats: Annotated[
        int,
        Field(ge=1, le=1024, description="Pictures that may wait; more go without depth, and are counted."),
    ] = 64
    max_megapixels: Annotated[
        float, Field(gt=0, le=100, description="Largest part of a picture that can be shown.")
    ] = 4.2
    partial_after_s: Annotated[
        float,
        Field(ge=1, le=3600, description="Numbers wait so long for their depth; then they go ahead of it."),
    ] = 30.0
    deadline_s: Annotated[
        float, Field(ge=1, le=3600, description="A process that answers no sooner is ended and started anew.")
    ] = 60.0
    most_owed: Annotated[
        int,
        Field(ge=0, le=1_000_000, description="Images that may wait for a sick device; more go without."),
    ] = 1000

    @property
    def most_px(self) -> int:
        """Pixels that a part to be shown may have."""
        return int(self.max_megapixels * 1e6)


class AuditSettings(BaseModel):
    """How often the daemon holds the folders against the journal by itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    every_s: Annotated[float, Field(ge=1, le=604_800, description="Time between two audits.")] = 3600.0


class RetentionSettings(BaseModel):
    """What the journal may forget. Nothing, unless told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    payload_days: Annotated[
        int | None,
        Field(ge=7, le=36_500, description="Payloads of events delivered longer ago are erased; ids stay."),
    ] = None
    history_days: Annotated[
        int | None,
        Field(ge=7, le=36_500, description="Images that ended longer ago and are deleted are forgotten."),
    ] = None

    @property
    def wanted(self) -> bool:
        """Whether anything is to be removed at all."""
        return self.payload_days is not None or self.history_days is not None
