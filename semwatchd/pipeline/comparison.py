"""What the stages have in common that lay each picture over a reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from semwatchd.core.image import SemImage
from semwatchd.core.job import Measurements
from semwatchd.imaging.finite import finite_frame
from semwatchd.pipeline.stage import Measured, Picture, Stage

if TYPE_CHECKING:
    from semwatchd.core.image import Pixels

Prepared = TypeVar("Prepared")
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(Generic[Prepared, Found]):
    """How a picture is compared with a reference of its size, and what is said of it."""

    name: str  #: of the stage
    least_px: int  #: along both axes of the reference
    prepare: Callable[[Pixels], Prepared]  #: once per reference
    compare: Callable[[Prepared, Pixels], Found | None]
    values: Callable[[Found | None], Measurements]
    not_told: str  #: what a picture without an answer lacks
    not_found: str  #: why the comparison gives none


def comparison_stage(comparison: Comparison[Prepared, Found], reference: SemImage) -> Stage:
    """Make the stage that compares each picture with ``reference``; what cannot be told is null, and why."""
    frame = finite_frame(reference.pixels)
    usable = frame is not None and min(reference.pixels.shape) >= comparison.least_px
    prepared = comparison.prepare(frame.pixels) if frame is not None and usable else None

    def said(found: Found | None, otherwise: str) -> Measured:
        values = comparison.values(found)
        warnings = () if found else (f"{comparison.not_told}: {otherwise}",)
        return Measured(values=values, warnings=warnings, expected_nulls=frozenset(values))

    def measure(picture: Picture) -> Measured:
        if prepared is None:
            return said(None, "the reference is too small or holds no number")
        if picture.image.pixels.shape != reference.pixels.shape:
            return said(None, "picture and reference differ in size")
        frame = picture.of(finite_frame)
        if frame is None:
            return said(None, "no pixel holds a finite number")
        return said(comparison.compare(prepared, frame.pixels), comparison.not_found)

    return Stage(name=comparison.name, measure=measure)
