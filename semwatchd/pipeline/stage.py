"""A stage is a named pure function; a plan is a row of them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

from semwatchd.core.image import Registration, SemImage
from semwatchd.core.job import Measurements

if TYPE_CHECKING:
    from semwatchd.core.image import Pixels

T = TypeVar("T")

Begin = Callable[[str], object]  #: told the name of each step as it begins


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one stage says of one image."""

    values: Measurements = field(default_factory=dict)  #: full names, e.g. "sharpness.tenengrad_corrected"
    registration: Registration | None = None
    warnings: tuple[str, ...] = ()
    expected_nulls: frozenset[str] = frozenset()  #: names that may be None without a word of warning


class Picture:
    """One image on its way through the stages; what several of them need is worked out once."""

    def __init__(self, image: SemImage) -> None:
        self.image = image
        self._known: dict[Callable[[Pixels], Any], Any] = {}

    def of(self, work: Callable[[Pixels], T]) -> T:
        """Give ``work(pixels)``; only the first call with a function works anything out."""
        if work not in self._known:
            self._known[work] = work(self.image.pixels)
        return cast("T", self._known[work])


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A named step from picture to numbers."""

    name: str
    measure: Callable[[Picture], Measured]


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What all stages of a plan say of one image."""

    values: Measurements
    registration: Registration | None
    warnings: tuple[str, ...]
    elapsed_ms: dict[str, float]  #: wall time per stage
    cpu_ms: dict[str, float]  #: processor time per stage


def run_stages(image: SemImage, stages: Sequence[Stage], begin: Begin = str) -> Analysis:
    """Measure ``image`` with each stage in turn. A number that is not finite becomes None and a warning.

    Parameters
    ----------
    begin
        Told of each stage before it runs; by default nobody is.
    """
    picture = Picture(image)
    values: dict[str, float | None] = {}
    expected: frozenset[str] = frozenset()
    warnings = list(image.warnings)
    registration = None
    elapsed_ms: dict[str, float] = {}
    cpu_ms: dict[str, float] = {}
    for stage in stages:
        begin(stage.name)
        start, cpu_start = time.perf_counter(), time.thread_time()
        measured = stage.measure(picture)
        elapsed_ms[stage.name] = (time.perf_counter() - start) * 1e3
        cpu_ms[stage.name] = (time.thread_time() - cpu_start) * 1e3
        values.update(measured.values)
        warnings.extend(measured.warnings)
        registration = measured.registration or registration
        expected |= measured.expected_nulls
    unusable = sorted(name for name, value in values.items() if value is None or not math.isfinite(value))
    values.update(dict.fromkeys(unusable))
    if surprising := [name for name in unusable if name not in expected]:
        warnings.append(f"no finite value for {', '.join(surprising)}")
    said_once = tuple(dict.fromkeys(warnings))
    return Analysis(
        values=values,
        registration=registration,
        warnings=said_once,
        elapsed_ms=elapsed_ms,
        cpu_ms=cpu_ms,
    )
