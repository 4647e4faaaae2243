"""The stage that tells by how much the content is turned and magnified against the reference's."""

from __future__ import annotations

from semwatchd.core.image import SemImage
from semwatchd.imaging.finite import finite_frame
from semwatchd.imaging.levels import MIN_SIZE_PX
from semwatchd.imaging.registration import Reference, prepare_reference
from semwatchd.imaging.similarity import Similarity, similarity
from semwatchd.pipeline.stage import Measured, Picture, Stage

NOT_TOLD = "rotation and scale were not told: "


def similarity_stage(reference: SemImage) -> Stage:
    """Make the stage that lays each picture over ``reference``, turned and magnified."""
    prepared = _prepared(reference)

    def measure(picture: Picture) -> Measured:
        if prepared is None:
            return _measured(None, "the reference is too small or holds no number")
        if picture.image.pixels.shape != reference.pixels.shape:
            return _measured(None, "picture and reference differ in size")
        frame = picture.of(finite_frame)
        if frame is None:
            return _measured(None, "no pixel holds a finite number")
        found = similarity(prepared, frame.pixels)
        return _measured(found, "the reference was not found again, or not alike in all parts of the picture")

    return Stage(name="similarity", measure=measure)


def _prepared(reference: SemImage) -> Reference | None:
    frame = finite_frame(reference.pixels)
    if frame is None or min(reference.pixels.shape) < MIN_SIZE_PX:
        return None
    return prepare_reference(frame.pixels)


def _measured(found: Similarity | None, otherwise: str) -> Measured:
    values = {
        "similarity.rotation_deg": found.rotation_deg if found else None,
        "similarity.rotation_sigma_deg": found.sigma_rotation_deg if found else None,
        "similarity.scale": found.scale if found else None,
        "similarity.scale_sigma": found.sigma_scale if found else None,
    }
    warnings = () if found else (NOT_TOLD + otherwise,)
    return Measured(values=values, warnings=warnings, expected_nulls=frozenset(values))
