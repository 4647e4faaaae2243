from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from semwatchd.pipeline.catalogue import DEPTH
from semwatchd.pipeline.inference.loading import Loaded, load_depth_model
from semwatchd.pipeline.inference.mapping import DepthMap, Shown, map_depths
from tests.depth_data import save_a_model

if TYPE_CHECKING:
    from semwatchd.core.image import Pixels


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    folder = tmp_path_factory.mktemp("model")
    return load_depth_model(save_a_model(folder / "model.safetensors"), "cpu")


def picture(seed: int, rows: int = 64, columns: int = 48) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(60, 180, (rows, columns)).astype(np.uint8)


def mapped(loaded: Loaded, *parts: Pixels, pixel_size_nm: float | None = 1.5) -> DepthMap:
    (found,) = map_depths(loaded, [Shown(parts=parts, pixel_size_nm=pixel_size_nm)])
    assert isinstance(found, DepthMap)
    return found


def test_the_numbers_are_those_of_the_catalogue(loaded: Loaded) -> None:
    assert list(mapped(loaded, picture(1)).measurements) == [measured.name for measured in DEPTH]


def test_numbers_are_taken_over_all_parts(loaded: Loaded) -> None:
    one, other = picture(1), picture(2) // 3
    both, alone = mapped(loaded, one, other), [mapped(loaded, part) for part in (one, other)]
    together = np.concatenate([found.depths_nm[0] for found in alone])
    assert both.measurements["depth.median_nm"] == pytest.approx(float(np.median(together)), abs=0.01)
    apart = [found.measurements["depth.disagreement_nm"] or 0.0 for found in alone]
    assert both.measurements["depth.disagreement_nm"] == pytest.approx(float(np.mean(apart)), abs=1e-3)


def test_who_is_asked_together_is_answered_as_alone(loaded: Loaded) -> None:
    pictures = [picture(seed, 32 + 16 * seed) for seed in range(3)]
    shown = [Shown(parts=[pixels], pixel_size_nm=1.5) for pixels in pictures]
    for together, pixels in zip(map_depths(loaded, shown), pictures, strict=True):
        alone = mapped(loaded, pixels)
        assert isinstance(together, DepthMap)
        np.testing.assert_allclose(together.depths_nm[0], alone.depths_nm[0], atol=1.0)


def test_a_picture_with_one_bad_part_has_no_map_and_its_neighbours_have(loaded: Loaded) -> None:
    bad = np.full((64, 48), np.nan, np.float32)
    first, broken, last = map_depths(
        loaded,
        [
            Shown(parts=[picture(1)], pixel_size_nm=1.5),
            Shown(parts=[picture(2).astype(np.float32), bad], pixel_size_nm=1.5),
            Shown(parts=[picture(3)], pixel_size_nm=1.5),
        ],
    )
    assert isinstance(broken, ValueError)
    assert isinstance(first, DepthMap)
    assert isinstance(last, DepthMap)
    np.testing.assert_allclose(last.depths_nm[0], mapped(loaded, picture(3)).depths_nm[0], atol=1.0)


def test_a_constant_picture_has_a_map_and_finite_numbers(loaded: Loaded) -> None:
    values = mapped(loaded, np.full((64, 48), 100, np.uint8)).measurements
    assert all(value is None or np.isfinite(value) for value in values.values())


@pytest.mark.parametrize(("pixel_size_nm", "count"), [(1.5, 0), (1.6, 0), (5.0, 1), (0.5, 1), (None, 1)])
def test_another_pixel_size_than_in_training_is_said(
    loaded: Loaded, pixel_size_nm: float | None, count: int
) -> None:
    said = mapped(loaded, picture(1), pixel_size_nm=pixel_size_nm).warnings
    assert len([warning for warning in said if warning.startswith("out of domain: pixel size")]) == count


def test_a_part_unlike_the_training_is_counted(loaded: Loaded, tmp_path: Path) -> None:
    strict = replace(loaded, manifest=replace(loaded.manifest, domain={"level": [110.0, 130.0]}))
    (warning,) = mapped(strict, picture(1), picture(2) // 3, picture(3)).warnings
    assert warning.startswith("out of domain: level 39")
    assert warning.endswith(" in 1 of 3 parts, in training 110 to 130")
