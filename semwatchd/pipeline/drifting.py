"""The stage that tells how far the content moved while the picture was scanned."""

from __future__ import annotations

from semwatchd.core.image import SemImage
from semwatchd.imaging.drift import LEAST_ROWS, Drift, frame_drift, prepare_halves
from semwatchd.imaging.finite import finite_frame
from semwatchd.imaging.registration import Reference
from semwatchd.pipeline.stage import Measured, Picture, Stage

NOT_TOLD = "drift within the picture was not told: "


def drift_stage(reference: SemImage) -> Stage:
    """Make the stage that compares the halves of each picture with those of ``reference``."""
    halves = _halves(reference)

    def measure(picture: Picture) -> Measured:
        if halves is None:
            return _measured(None, "the reference is too small or holds no number")
        if picture.image.pixels.shape != reference.pixels.shape:
            return _measured(None, "picture and reference differ in size")
        frame = picture.of(finite_frame)
        if frame is None:
            return _measured(None, "no pixel holds a finite number")
        return _measured(frame_drift(halves, frame.pixels), "a half of it was not found in the reference")

    return Stage(name="drift", measure=measure)


def _halves(reference: SemImage) -> tuple[Reference, Reference] | None:
    frame = finite_frame(reference.pixels)
    if frame is None or min(reference.pixels.shape) < LEAST_ROWS:
        return None
    return prepare_halves(frame.pixels)


def _measured(drift: Drift | None, otherwise: str) -> Measured:
    values = {
        "drift.dx_px": drift.dx_px if drift else None,
        "drift.dy_px": drift.dy_px if drift else None,
    }
    warnings = () if drift else (NOT_TOLD + otherwise,)
    return Measured(values=values, warnings=warnings, expected_nulls=frozenset(values))
