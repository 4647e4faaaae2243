import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from semwatchd.offline.depth.curve import BOTTOM_PX, COLOURS, HEIGHT_PX, TOP_PX, curve, write_curve

FALLING = [{"step": step, "depth": 10.0 ** -(step / 100)} for step in range(20, 220, 20)]


def rows_of(picture: np.ndarray, colour: tuple[int, int, int], column: int) -> np.ndarray:
    return np.flatnonzero((picture[:, column] == colour).all(axis=1))


def test_the_curve_passes_where_the_loss_was() -> None:
    picture = curve([{"step": step, "depth": 0.0316} for step in (1, 50, 100)])  # between 0.01 and 0.1
    middle = TOP_PX + (HEIGHT_PX - BOTTOM_PX - TOP_PX) / 2
    assert rows_of(picture, COLOURS[0], 400).mean() == pytest.approx(middle, abs=2)


def test_a_falling_loss_falls() -> None:
    picture = curve(FALLING)
    heights = [rows_of(picture, COLOURS[0], column).mean() for column in (150, 300, 450)]
    assert heights == sorted(heights)


def test_a_discriminator_that_rests_leaves_a_line_of_its_own() -> None:
    metrics = [{**at, **({"critic": 0.7} if at["step"] % 40 == 0 else {})} for at in FALLING]
    assert "critic" not in metrics[0]
    picture = curve(metrics)
    assert rows_of(picture, COLOURS[1], 300).size


@pytest.mark.parametrize("loss", [0.0, 1.0, 1e9])
def test_any_loss_can_be_drawn(loss: float) -> None:
    assert (curve([{"step": 20, "depth": loss}]) < 255).any()


@pytest.mark.parametrize("wild", [math.nan, math.inf])
def test_a_training_that_runs_away_is_drawn_as_far_as_it_has_numbers(wild: float, tmp_path: Path) -> None:
    assert (curve([*FALLING, {"step": 240, "depth": wild}]) < 255).any()
    write_curve(tmp_path / "curve.png", [{"step": 20, "depth": wild}])
    assert not (tmp_path / "curve.png").exists()


def test_the_picture_is_a_png(tmp_path: Path) -> None:
    write_curve(tmp_path / "curve.png", FALLING)
    assert cv2.imread(str(tmp_path / "curve.png")) is not None
    write_curve(tmp_path / "none.png", [])
    assert not (tmp_path / "none.png").exists()
