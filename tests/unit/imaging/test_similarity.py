from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from semwatchd.imaging.similarity import Similarity, prepare_original, similarity
from semwatchd.offline.bench.scenes import particles
from tests.real_data import needs_real_data
from tests.scenes import Scene, grains, holes, lines, photographed
from tests.unit.imaging.test_registration import real, real_pairs

SIDE = 384
FINER = 4  #: samples of the specimen per pixel, so that turning it costs no accuracy

Floats = NDArray[np.float64]


def specimen(scene: Scene) -> Floats:
    """All of a scene, sampled finer by padding its spectrum: exact."""
    n, half = len(scene.spectrum), len(scene.spectrum) // 2
    padded = np.zeros((FINER * n, FINER * n // 2 + 1), np.complex128)
    padded[:half, :half] = scene.spectrum[:half, :half]
    padded[1 - half :, :half] = scene.spectrum[1 - half :, :half]
    fine: Floats = np.fft.irfft2(padded) * FINER**2
    return fine


def turned(fine: Floats, deg: float = 0.0, scale: float = 1.0, dx: float = 0.0, dy: float = 0.0) -> Floats:
    """The middle of a specimen, turned about the frame's middle from +x to +y, enlarged, then moved."""
    middle, start = (SIDE - 1) / 2, (len(fine) // FINER - SIDE) // 2
    cos, sin = math.cos(math.radians(deg)) / scale, math.sin(math.radians(deg)) / scale
    back = np.array([[cos, sin], [-sin, cos]])
    origin = start + middle - back @ [middle + dx, middle + dy]
    matrix = FINER * np.column_stack((back, origin))
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(fine, matrix, (SIDE, SIDE), flags=flags), np.float64)


SPECIMENS = {
    "grains": specimen(grains(SIDE)),
    "holes": specimen(holes(SIDE)),
    "particles": specimen(particles(SIDE)),
    "lines": specimen(lines(SIDE)),
}


def found(reference: NDArray[Any], picture: NDArray[Any]) -> Similarity:
    answer = similarity(prepare_original(reference), picture)
    assert answer is not None
    return answer


def test_the_specimen_is_the_scene() -> None:
    assert turned(SPECIMENS["grains"]) == pytest.approx(grains(SIDE).frame(), abs=0.01)
    assert turned(SPECIMENS["grains"], dx=2.25) == pytest.approx(grains(SIDE).frame(2.25), abs=0.01)


@pytest.mark.parametrize("name", SPECIMENS)
@pytest.mark.parametrize(("snr", "within_deg", "within"), [(5, 0.05, 0.0006), (20, 0.025, 0.0003)])
@pytest.mark.parametrize(("deg", "scale"), [(0, 1), (0.2, 1), (0, 1.004), (1, 1.01), (-1, 0.99), (-1, 1.01)])
def test_rotation_and_scale_put_in_come_back(
    name: str, snr: float, within_deg: float, within: float, deg: float, scale: float
) -> None:
    reference = photographed(turned(SPECIMENS[name]), snr, seed=1)
    moved = turned(SPECIMENS[name], deg, scale, 7.37, -11.21)
    answer = found(reference, photographed(moved, snr, seed=2, gain=0.8, offset=12))
    assert answer.rotation_deg == pytest.approx(deg, abs=within_deg)
    assert answer.scale == pytest.approx(scale, abs=within)


@pytest.mark.parametrize("name", SPECIMENS)
@pytest.mark.parametrize("snr", [5, 20])
def test_the_stated_uncertainty_is_the_real_one(name: str, snr: float) -> None:
    rotations, scales = [], []
    for seed in range(10):
        deg, scale = 0.1 * (seed - 5), 1 + 0.001 * (seed - 4)
        reference = photographed(turned(SPECIMENS[name]), snr, seed=100 + seed)
        answer = found(
            reference, photographed(turned(SPECIMENS[name], deg, scale, 3.3, 1.6), snr, seed=200 + seed)
        )
        rotations.append((answer.rotation_deg - deg) / answer.sigma_rotation_deg)
        scales.append((answer.scale - scale) / answer.sigma_scale)
    for errors in (rotations, scales):
        assert 0.2 < np.sqrt(np.mean(np.square(errors))) < 2.0


def test_a_shift_of_a_quarter_of_the_frame_leaves_enough() -> None:
    fine = SPECIMENS["grains"]
    moved = photographed(turned(fine, 0.4, 0.996, 80, -70), 10, seed=2)
    answer = found(photographed(turned(fine), 10, seed=1), moved)
    assert answer.rotation_deg == pytest.approx(0.4, abs=4 * answer.sigma_rotation_deg)
    assert answer.scale == pytest.approx(0.996, abs=4 * answer.sigma_scale)


@pytest.mark.parametrize("name", ["grains", "holes", "particles"])
@pytest.mark.parametrize("deg", [-3, -2, 1.5, 2.5])
def test_beyond_its_range_it_is_right_or_silent(name: str, deg: float) -> None:
    reference = photographed(turned(SPECIMENS[name]), 20, seed=1)
    answer = similarity(prepare_original(reference), photographed(turned(SPECIMENS[name], deg), 20, seed=2))
    assert answer is None or answer.rotation_deg == pytest.approx(deg, abs=0.05)


def test_where_the_parts_disagree_nothing_is_told() -> None:
    fine = SPECIMENS["grains"]
    torn = turned(fine)
    torn[: SIDE // 2] = turned(fine, dx=3)[: SIDE // 2]
    torn[:, : SIDE // 2] = turned(fine, dy=-3)[:, : SIDE // 2]
    reference = prepare_original(photographed(turned(fine), 20, seed=1))
    assert similarity(reference, photographed(torn, 20, seed=2)) is None


def test_unrelated_pictures_have_no_rotation() -> None:
    frames = [photographed(grains(256, seed=seed).frame(), 20, seed) for seed in range(3)]
    for reference in frames:
        answers = [similarity(prepare_original(reference), other) for other in frames]
        assert sum(answer is not None for answer in answers) == 1


def test_blank_and_too_small_pictures_have_none() -> None:
    blank, texture = np.full((64, 64), 7, np.uint8), photographed(grains(64).frame(), 20, 1)
    assert similarity(prepare_original(blank), texture) is None
    assert similarity(prepare_original(texture), blank) is None
    assert similarity(prepare_original(texture[:40, :40]), texture[:40, :40]) is None


def test_pictures_of_different_size_are_refused() -> None:
    texture = photographed(grains(128).frame(), 20, 1)
    with pytest.raises(ValueError, match="differ in size"):
        similarity(prepare_original(texture), texture[:100])


@needs_real_data
@pytest.mark.parametrize("pair", real_pairs(), ids=lambda pair: str(pair["mov"]))
def test_real_pairs_are_not_turned(pair: dict[str, Any]) -> None:
    frames = [real(pair[name], pair.get("rows", 10_000)) for name in ("ref", "mov")]
    rows, columns = (min(sizes) for sizes in zip(*(frame.shape for frame in frames), strict=True))
    answer = similarity(prepare_original(frames[0][:rows, :columns]), frames[1][:rows, :columns])
    assert answer is None or (abs(answer.rotation_deg) < 0.1 and abs(answer.scale - 1) < 0.002)
