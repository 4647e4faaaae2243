from __future__ import annotations

import numpy as np
import pytest

from semwatchd.core.plan import Plan
from semwatchd.pipeline.build import build_stages
from semwatchd.pipeline.drifting import drift_stage
from semwatchd.pipeline.stage import run_stages
from semwatchd.synth.beam import Scan
from semwatchd.synth.visits import REFERENCE, Target, hole_target, visit
from tests.scenes import as_image


def target(drift_px: float) -> Target:
    return hole_target(1, 1.0, Scan(rows=256, columns=256, drift_px=drift_px))


@pytest.mark.parametrize("drift_px", [0.0, 0.5, -2.0])
def test_the_drift_put_in_comes_back(drift_px: float) -> None:
    stage = drift_stage(as_image(visit(target(0.0), REFERENCE).pixels))
    analysis = run_stages(as_image(visit(target(drift_px), 3).pixels), (stage,))
    assert analysis.values["drift.dx_px"] == pytest.approx(drift_px, abs=0.1)
    assert analysis.values["drift.dy_px"] == pytest.approx(0, abs=0.1)
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
    stage = drift_stage(as_image(visit(target(0.0), REFERENCE).pixels))
    analysis = run_stages(as_image(pixels), (stage,))
    assert set(analysis.values.values()) == {None}
    assert len(analysis.warnings) == 1
    assert why in analysis.warnings[0]


def test_a_reference_too_small_for_halves_is_told() -> None:
    small = as_image(np.zeros((20, 20), np.uint8))
    assert "too small" in run_stages(small, (drift_stage(small),)).warnings[0]


def test_without_a_reference_there_is_no_drift() -> None:
    assert build_stages(Plan(stages=("drift",)), None) == ()
