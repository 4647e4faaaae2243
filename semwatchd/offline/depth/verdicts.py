"""What the numbers say, and what they do not. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from types import MappingProxyType
from typing import Any

from semwatchd.offline.depth.rows import Claim

#: Student's t for 95 % on both sides, by degrees of freedom.
STUDENT: Mapping[int, float] = MappingProxyType({1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571})


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer to a question, and what it rests on."""

    question: str
    answer: str  #: "yes", "no: it is worse", "no difference at all" or "not shown"
    difference: float  #: mean of this minus that, in grey levels; negative is better
    half_width: float  #: of its 95 % interval, over seeds


def judge(claim: Claim, runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> Verdict:
    """Compare two rows seed by seed; ``runs`` holds each row's results in the order of the seeds."""
    this, that = (rmses(runs[name], claim.score) for name in (claim.this, claim.that))
    differences = [a - b for a, b in zip(this, that, strict=True)]
    centre = mean(differences)
    half_width = STUDENT[len(differences) - 1] * stdev(differences) / len(differences) ** 0.5
    return Verdict(
        question=claim.question,
        answer=_answer(centre, half_width),
        difference=centre,
        half_width=half_width,
    )


def rmses(results: Sequence[Mapping[str, Any]], score: str) -> list[float]:
    """Take one RMSE out of each result."""
    return [float(result["scores"][score]["rmse"]) for result in results]


def _answer(centre: float, half_width: float) -> str:
    if centre == half_width == 0:
        return "no difference at all"
    if abs(centre) <= half_width:
        return "not shown"
    return "yes" if centre < 0 else "no: it is worse"
