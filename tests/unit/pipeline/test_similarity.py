from __future__ import annotations

import numpy as np
import pytest

from semwatchd.core.plan import Plan
from semwatchd.pipeline.build import build_stages
from semwatchd.pipeline.catalogue import names
from semwatchd.pipeline.settings import USUAL_STAGES
from semwatchd.pipeline.similarity import similarity_stage
from semwatchd.pipeline.stage import run_stages
from tests.scenes import as_image, grains, photographed

REFERENCE = as_image(photographed(grains(256).frame(), 10, seed=1))


def test_an_unturned_picture_has_no_rotation_and_scale_one() -> None:
    picture = as_image(photographed(grains(256).frame(4.3, -2.8), 10, seed=2))
    analysis = run_stages(picture, (similarity_stage(REFERENCE),))
    assert tuple(analysis.values) == names("similarity")
    rotation, rotation_sigma, scale, scale_sigma = (float(v or "nan") for v in analysis.values.values())
    assert rotation == pytest.approx(0, abs=4 * rotation_sigma)
    assert scale == pytest.approx(1, abs=4 * scale_sigma)
    assert rotation_sigma < 0.03
    assert analysis.warnings == ()


@pytest.mark.parametrize(
    ("pixels", "why"),
    [
        (np.zeros((256, 256), np.uint8), "not found"),
        (np.zeros((256, 250), np.uint8), "differ in size"),
        (np.full((256, 256), np.nan, np.float32), "finite"),
    ],
    ids=["empty", "other size", "no number"],
)
def test_what_cannot_be_told_is_null_with_a_reason(pixels: np.typing.NDArray[np.uint8], why: str) -> None:
    analysis = run_stages(as_image(pixels), (similarity_stage(REFERENCE),))
    assert set(analysis.values.values()) == {None}
    assert len(analysis.warnings) == 1
    assert why in analysis.warnings[0]


def test_a_reference_too_small_is_told() -> None:
    small = as_image(np.zeros((10, 10), np.uint8))
    assert "too small" in run_stages(small, (similarity_stage(small),)).warnings[0]


def test_it_is_done_on_request_and_with_a_reference_only() -> None:
    assert "similarity" not in USUAL_STAGES
    assert build_stages(Plan(stages=("similarity",)), None) == ()
    named = Plan(stages=("similarity",), reference="/golden.tif")
    assert [stage.name for stage in build_stages(named, REFERENCE)] == ["similarity"]
