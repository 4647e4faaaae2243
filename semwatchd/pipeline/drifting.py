"""The stage that tells how far the content moved while the picture was scanned."""

from __future__ import annotations

from semwatchd.core.image import SemImage
from semwatchd.core.job import Measurements
from semwatchd.imaging.drift import LEAST_ROWS, Drift, frame_drift, prepare_halves
from semwatchd.pipeline.comparison import Comparison, comparison_stage
from semwatchd.pipeline.stage import Stage


def drift_stage(reference: SemImage) -> Stage:
    """Make the stage that compares the halves of each picture with those of ``reference``."""
    return comparison_stage(DRIFT, reference)


def _values(drift: Drift | None) -> Measurements:
    return {
        "drift.dx_px": drift.dx_px if drift else None,
        "drift.dy_px": drift.dy_px if drift else None,
    }


DRIFT = Comparison(
    name="drift",
    least_px=LEAST_ROWS,
    prepare=prepare_halves,
    compare=frame_drift,
    values=_values,
    not_told="drift within the picture was not told",
    not_found="a half of it was not found in the reference",
)
