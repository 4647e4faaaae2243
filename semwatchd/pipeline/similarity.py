"""The stage that tells by how much the content is turned and magnified against the reference's."""

from __future__ import annotations

from semwatchd.core.image import SemImage
from semwatchd.core.job import Measurements
from semwatchd.imaging.levels import MIN_SIZE_PX
from semwatchd.imaging.similarity import Similarity, prepare_original, similarity
from semwatchd.pipeline.comparison import Comparison, comparison_stage
from semwatchd.pipeline.stage import Stage


def similarity_stage(reference: SemImage) -> Stage:
    """Make the stage that lays each picture over ``reference``, turned and magnified."""
    return comparison_stage(SIMILARITY, reference)


def _values(found: Similarity | None) -> Measurements:
    return {
        "similarity.rotation_deg": found.rotation_deg if found else None,
        "similarity.rotation_sigma_deg": found.sigma_rotation_deg if found else None,
        "similarity.scale": found.scale if found else None,
        "similarity.scale_sigma": found.sigma_scale if found else None,
    }


SIMILARITY = Comparison(
    name="similarity",
    least_px=MIN_SIZE_PX,
    prepare=prepare_original,
    compare=similarity,
    values=_values,
    not_told="rotation and scale were not told",
    not_found="the reference was not found again, or not alike in all parts of the picture",
)
