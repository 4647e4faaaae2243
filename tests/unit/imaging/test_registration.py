from __future__ import annotations

import json
import math
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from semwatchd.imaging.correlation import phase_correlation
from semwatchd.imaging.registration import Shift, prepare_reference, register
from semwatchd.synth.beam import Scan
from semwatchd.synth.surface import ContactHoles
from semwatchd.synth.visits import REFERENCE, hole_target, visit
from tests.real_data import REAL, needs_real_data
from tests.scenes import Scene, grains, holes, lines, photographed

GRAINS = grains(384)


def found(reference: NDArray[Any], picture: NDArray[Any]) -> Shift:
    shift = register(prepare_reference(reference), picture)
    assert shift is not None
    return shift


def error_px(shift: Shift, dx: float, dy: float) -> float:
    return math.hypot(shift.dx_px - dx, shift.dy_px - dy)


@pytest.mark.parametrize("scene", [holes(384), GRAINS], ids=["holes", "grains"])
@pytest.mark.parametrize(("snr", "within_px"), [(1, 0.15), (5, 0.06), (20, 0.03)])
def test_a_sub_pixel_shift_is_found_in_noise(scene: Scene, snr: float, within_px: float) -> None:
    reference = photographed(scene.frame(), snr, seed=1)
    moved = photographed(scene.frame(7.37, -11.21), snr, seed=2, gain=0.8, offset=12)
    shift = found(reference, moved)
    assert error_px(shift, 7.37, -11.21) < within_px
    assert not shift.weak_axis


def test_the_stated_uncertainty_is_the_real_one() -> None:
    reference = photographed(GRAINS.frame(), 5, seed=100)
    shifts = [found(reference, photographed(GRAINS.frame(3.3, 1.6), 5, seed=s)) for s in range(16)]
    normalised = [e for s in shifts for e in ((s.dx_px - 3.3) / s.sigma_x_px, (s.dy_px - 1.6) / s.sigma_y_px)]
    assert 0.4 < np.sqrt(np.mean(np.square(normalised))) < 2.0


@pytest.mark.parametrize(("dx", "dy"), [(90.4, -70.2), (0.0, 95.6), (-95.0, 0.3)])
def test_a_shift_of_a_quarter_of_the_frame_is_found(dx: float, dy: float) -> None:
    shift = found(photographed(GRAINS.frame(), 5, 1), photographed(GRAINS.frame(dx, dy), 5, 2))
    assert error_px(shift, dx, dy) < 0.1


def test_half_of_the_frame_may_be_lost() -> None:
    texture = photographed(GRAINS.frame(), 20, 1)
    shift = found(texture[:256, :256], texture[128:, 100:356])
    assert error_px(shift, -100, -128) < 0.1


def test_straight_lines_locate_across_but_not_along() -> None:
    straight = lines(384)
    shift = found(photographed(straight.frame(), 5, 1), photographed(straight.frame(4.4, 9.0), 5, 2))
    assert shift.dx_px == pytest.approx(4.4, abs=0.1)
    assert shift.weak_axis
    assert shift.sigma_y_px > 10 * shift.sigma_x_px


def test_rough_lines_locate_along_too() -> None:
    rough = lines(384, roughness_px=1.5)
    shift = found(photographed(rough.frame(), 20, 1), photographed(rough.frame(4.4, 9.3), 20, 2))
    assert error_px(shift, 4.4, 9.3) < 0.2
    assert not shift.weak_axis


def test_a_pattern_moved_by_half_its_pitch_is_in_doubt() -> None:
    y, x = np.mgrid[0:256, 0:256]
    grid = 120 + 50 * np.cos(2 * np.pi * x / 32) + 50 * np.cos(2 * np.pi * y / 32)
    reference, moved = photographed(grid, 20, 1), photographed(np.roll(grid, 15, axis=1), 20, 2)
    assert found(reference, moved).ambiguous
    assert not found(reference, photographed(np.roll(grid, 3, axis=1), 20, 2)).ambiguous


def hole_field(side: int, jitter_px: float, seed: int) -> NDArray[np.float64]:
    """Make holes every 32 px, each so much off its place, over a field larger than any frame."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-24:25, -24:25].astype(np.float64)
    field = np.full((side, side), 120.0)
    for cy in range(32, side - 32, 32):
        for cx in range(32, side - 32, 32):
            off_y, off_x, radius = rng.normal((0, 0, 8), (jitter_px, jitter_px, 0.7 * jitter_px))
            away = np.hypot(y - off_y, x - off_x) - radius
            field[cy - 24 : cy + 25, cx - 24 : cx + 25] += np.where(away < 0, -80, 0)
            field[cy - 24 : cy + 25, cx - 24 : cx + 25] += 60 * np.exp(-np.abs(away) / 2)
    return cv2.GaussianBlur(field, (0, 0), 1.5).astype(np.float64)


@pytest.mark.parametrize("jitter_px", [1.0, 0.5])
@pytest.mark.parametrize("snr", [5, 20])
def test_a_jump_within_a_hole_array_is_found_or_in_doubt(jitter_px: float, snr: float) -> None:
    side, reach = 512, 240
    field = hole_field(side + 2 * reach, jitter_px, seed=1)

    def frame(dx: int, dy: int, seed: int) -> NDArray[np.uint8]:
        left, top = reach - dx, reach - dy
        return photographed(field[top : top + side, left : left + side], snr, seed)

    reference = prepare_reference(frame(0, 0, 1))
    rng = np.random.default_rng(3)
    jumps = [(-226, 224), (-231, -218), *rng.integers(-reach, reach + 1, (24, 2)).tolist()]
    for number, (dx, dy) in enumerate(jumps):
        shift = register(reference, frame(dx, dy, 100 + number))
        assert shift is None or shift.ambiguous or error_px(shift, dx, dy) < 0.1
    for number, (dx, dy) in enumerate(rng.integers(-16, 17, (8, 2)).tolist()):
        shift = found(frame(0, 0, 1), frame(dx, dy, 200 + number))
        assert error_px(shift, dx, dy) < 0.1
        assert not shift.ambiguous


def test_a_defect_does_not_move_a_hole_array_by_whole_pitches() -> None:
    array = holes(384)
    damaged = array.frame(5.3, -3.6)
    damaged[120:260, 230:310] *= 0.5
    shift = found(photographed(array.frame(), 5, 1), photographed(damaged, 5, 2))
    assert error_px(shift, 5.3, -3.6) < 0.15


def test_unrelated_pictures_are_not_found_in_each_other() -> None:
    others = [photographed(grains(256, seed=s).frame(), 20, s) for s in range(4)]
    for reference in others:
        for picture in others:
            if picture is not reference:
                assert register(prepare_reference(reference), picture) is None


def test_pure_noise_is_not_found() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 256, (256, 256)).astype(np.uint8) for _ in range(2))
    assert register(prepare_reference(a), b) is None


def test_the_negative_is_not_found() -> None:
    frame = photographed(GRAINS.frame(), 20, 1)
    assert register(prepare_reference(frame), 255 - frame) is None


def test_a_blank_picture_is_not_found() -> None:
    blank, texture = np.full((64, 64), 7, np.uint8), photographed(grains(64).frame(), 20, 1)
    assert register(prepare_reference(blank), texture) is None
    assert register(prepare_reference(texture), blank) is None


@pytest.mark.parametrize("factor", [1e-30, 1.0, 1e12])
def test_the_scale_of_float_pixels_does_not_matter(factor: float) -> None:
    a, b = (GRAINS.frame(dx) * factor for dx in (0.0, 5.5))
    assert error_px(found(a.astype(np.float32), b.astype(np.float32)), 5.5, 0) < 0.02


def test_sixteen_bits_are_as_good_as_eight() -> None:
    a, b = ((GRAINS.frame(dx) * 200).astype(np.uint16) for dx in (0.0, 5.5))
    assert error_px(found(a, b), 5.5, 0) < 0.02


def test_pictures_of_different_size_are_compared_where_both_are() -> None:
    shift = found(photographed(GRAINS.frame(), 20, 1)[:300], photographed(GRAINS.frame(6, 2), 20, 2)[:, :280])
    assert error_px(shift, 6, 2) < 0.05


@pytest.mark.parametrize("size", [(24, 24), (32, 48), (20, 384), (63, 127)])
def test_small_and_odd_frames(size: tuple[int, int]) -> None:
    rows, columns = size
    texture = photographed(GRAINS.frame(), 1000, 1)
    shift = found(texture[8 : 8 + rows, :columns], texture[6 : 6 + rows, :columns])
    assert error_px(shift, 0, 2) < 0.1


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.floats(-30, 30), st.floats(-30, 30))
def test_mirroring_both_pictures_mirrors_the_shift(dx: float, dy: float) -> None:
    a, b = photographed(GRAINS.frame(), 10, 1), photographed(GRAINS.frame(dx, dy), 10, 2)
    plain, mirrored = found(a, b), found(np.fliplr(a), np.fliplr(b))
    assert error_px(mirrored, -plain.dx_px, plain.dy_px) < 0.02


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    st.sampled_from([np.uint8, np.uint16, np.float32]),
    st.tuples(st.integers(16, 90), st.integers(16, 90)),
    st.integers(0, 5),
    st.integers(0, 1000),
)
def test_whatever_the_pixels_the_answer_is_finite_or_none(
    dtype: type[np.generic], shape: tuple[int, int], levels: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    a, b = (rng.integers(0, levels + 1, shape).astype(dtype) for _ in range(2))
    shift = register(prepare_reference(a), b)
    assert shift is None or all(
        math.isfinite(v)
        for v in (shift.dx_px, shift.dy_px, shift.sigma_x_px, shift.sigma_y_px, shift.quality)
    )


def test_plain_phase_correlation_finds_an_easy_shift() -> None:
    a, b = (GRAINS.frame(dx).astype(np.float32) for dx in (0.0, 5.0))
    dx, dy, _ = phase_correlation(a, b)
    assert (dx, dy) == pytest.approx((5.0, 0.0), abs=0.2)


def test_plain_phase_correlation_leaves_its_frames_as_they_were() -> None:
    a, b = (grains(256).frame(dx).astype(np.float32) for dx in (0.0, 5.0))
    before = a.copy(), b.copy()
    once, again = phase_correlation(a, b), phase_correlation(a, b)
    assert once == again
    assert np.array_equal(a, before[0])
    assert np.array_equal(b, before[1])


def real_pairs() -> list[dict[str, Any]]:
    if not REAL.is_dir():
        return []
    pairs: list[dict[str, Any]] = json.loads((REAL / "index.json").read_text())["pairs"]
    return pairs


def real(name: str, rows: int | None) -> NDArray[np.uint8]:
    if name.endswith("jpg"):
        pixels = cv2.imread(str(REAL / name), cv2.IMREAD_GRAYSCALE)
    else:
        pixels = tifffile.imread(REAL / name)
    assert pixels is not None
    return np.ascontiguousarray(pixels[:rows]).astype(np.uint8)


@needs_real_data
@pytest.mark.parametrize("cut", [0, -7, -40])
@pytest.mark.parametrize("pair", real_pairs(), ids=lambda pair: str(pair["mov"]))
def test_real_pairs_come_out_within_half_their_tolerance(pair: dict[str, Any], cut: int) -> None:
    rows = pair.get("rows", 10_000) + cut
    shift = found(real(pair["ref"], rows), real(pair["mov"], rows))
    assert error_px(shift, pair["dx"], pair["dy"]) < pair["tol"] / 2
    assert not shift.weak_axis
    assert not shift.ambiguous
    assert shift.quality > 0.9


@pytest.mark.parametrize("pitch_px", [20.0, 24.0, 33.4, 50.0, 64.1])
def test_of_a_lattice_the_nearest_repetition_is_found_whatever_its_pitch(pitch_px: float) -> None:
    """Whole pixels of the coarse copy may hit a far repetition better than the nearest one."""
    holes = ContactHoles(pitch_nm=pitch_px, radius_nm=pitch_px / 3, depth_nm=100.0)
    scan = Scan(rows=1024, columns=1024, dose=200.0)
    target = hole_target(1, 1.0, scan, reach_px=0.4 * pitch_px, holes=holes)
    reference = prepare_reference(visit(target, REFERENCE).pixels)
    for number in range(4):
        seen = visit(target, number)
        shift = register(reference, seen.pixels)
        assert shift is not None
        assert math.hypot(shift.dx_px - seen.dx_px, shift.dy_px - seen.dy_px) < 0.05
