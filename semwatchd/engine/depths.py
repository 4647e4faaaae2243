"""Who sees to the depth of what the workers measure, and what becomes of a result by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Protocol

from semwatchd.core.job import MAX_ATTEMPTS, DepthSkip, Job, Outcome, Result
from semwatchd.core.ports import Telemetry
from semwatchd.engine.messages import Mapped, Refused, Seat

SAID: Mapping[DepthSkip, str] = MappingProxyType(
    {
        DepthSkip.BUSY: "the depth process has more to do than it can; let the plan show less of the picture",
        DepthSkip.SICK: "the depth process does not work, and more images wait for it than depth.most_owed",
        DepthSkip.CRASHES: f"the depth process ended {MAX_ATTEMPTS} times while it had this picture",
    }
)


class Depths(Protocol):
    """Who sees to the depth of what the workers measure."""

    @property
    def idle(self) -> bool:
        """Whether no picture is here, and none is owed that could be."""
        ...

    def lend(self, job: Job) -> Seat | None:
        """Lend a place for the job's picture; None where it needs none, or there is none."""
        ...

    def take(self, outcome: Outcome, *, seated: bool) -> None:
        """Take over what a worker has answered."""
        ...

    def forget(self, job: Job) -> None:
        """Take back the place of a job that was never begun."""
        ...


class Endings(Protocol):
    """Where results go, see :class:`.collector.Collector`."""

    def collect(self, outcome: Outcome) -> None:
        """Write down how an attempt ended."""
        ...

    def owe(self, result: Result) -> None:
        """Let the numbers go, unless they have gone before; a depth is to follow."""
        ...

    def report(self, result: Result) -> None:
        """Let the numbers go ahead; the attempt goes on."""
        ...


@dataclass(frozen=True, slots=True)
class NoDepths:
    """Nobody does; numbers go out at once, with a word about it where a plan asks for more."""

    endings: Endings
    telemetry: Telemetry
    why: str

    @property
    def idle(self) -> bool:
        """Always."""
        return True

    def lend(self, job: Job) -> None:
        """Lend nothing."""

    def take(self, outcome: Outcome, *, seated: bool) -> None:
        """Pass it on."""
        del seated
        if isinstance(outcome, Result) and outcome.job.plan.depth:
            self.telemetry.depth_skipped(DepthSkip.OFF)
            outcome = without_depth(outcome, self.why)
        self.endings.collect(outcome)

    def forget(self, job: Job) -> None:
        """Nothing was lent."""


def without_depth(result: Result, why: str) -> Result:
    """Say in the result why it has no depth."""
    return replace(result, warnings=(*result.warnings, f"no depth: {why}"))


def answered(result: Result, answer: Mapped | Refused) -> Result:
    """Put result and depth together."""
    if isinstance(answer, Refused):
        return without_depth(result, answer.reason)
    plan = result.job.plan.depth
    return replace(
        result,
        measurements={**result.measurements, **answer.measurements},
        warnings=tuple(dict.fromkeys((*result.warnings, *answer.warnings))),
        artefacts=(*result.artefacts, *answer.artefacts),
        elapsed_ms={**result.elapsed_ms, "depth": answer.elapsed_ms},
        weights_sha256=plan.weights_sha256 if plan else None,
    )
