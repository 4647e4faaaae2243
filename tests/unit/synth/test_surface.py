import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semwatchd.synth.edges import Roughness
from semwatchd.synth.surface import ContactHoles, Grid, LineSpace, contact_holes, line_space

GRID = Grid(rows=384, columns=512, pixel_size_nm=1.5)
SMOOTH = Roughness(sigma_nm=0.0)


def test_the_lines_pitch_is_the_strongest_period() -> None:
    depth_nm = line_space(np.random.default_rng(1), GRID, LineSpace(pitch_nm=48, depth_nm=70))
    profile = depth_nm.mean(axis=0)
    spectrum = np.abs(np.fft.rfft((profile - profile.mean()) * np.hanning(profile.size)))
    frequency_per_nm = np.fft.rfftfreq(profile.size, GRID.pixel_size_nm)
    assert 1 / frequency_per_nm[spectrum.argmax()] == pytest.approx(48, rel=0.05)


@pytest.mark.parametrize("duty", [0.3, 0.5, 0.7])
def test_duty_is_the_share_of_ground_that_is_line(duty: float) -> None:
    pattern = LineSpace(pitch_nm=60, depth_nm=70, duty=duty, roughness=SMOOTH)
    depth_nm = line_space(np.random.default_rng(2), GRID, pattern)
    whole_pitches = depth_nm[:, :480]  # 12 of them
    assert 1 - whole_pitches.mean() / 70 == pytest.approx(duty, abs=0.01)


def test_depth_is_zero_on_top_and_the_asked_depth_on_the_floor() -> None:
    rng = np.random.default_rng(3)
    for depth_nm in (
        line_space(rng, GRID, LineSpace(pitch_nm=60, depth_nm=70)),
        contact_holes(rng, GRID, ContactHoles(pitch_nm=64, radius_nm=20, depth_nm=70)),
    ):
        assert depth_nm.dtype == np.float32
        assert depth_nm.flags.c_contiguous
        assert depth_nm.min() == 0
        assert depth_nm.max() == pytest.approx(70)


def test_the_wall_has_the_asked_angle() -> None:
    grid = Grid(rows=8, columns=400, pixel_size_nm=0.5)
    pattern = LineSpace(pitch_nm=100, depth_nm=80, sidewall_deg=80, roughness=SMOOTH)
    profile = line_space(np.random.default_rng(0), grid, pattern)[0]
    slope_nm = np.count_nonzero((profile > 0) & (profile < 80)) * 0.5 / 4  # 200 nm hold four walls
    assert slope_nm == pytest.approx(80 / np.tan(np.deg2rad(80)), rel=0.1)


def test_holes_cover_their_share_of_the_lattice() -> None:
    pattern = ContactHoles(pitch_nm=64, radius_nm=20, depth_nm=70, radius_spread=0.0, roughness=SMOOTH)
    depth_nm = contact_holes(np.random.default_rng(4), GRID, pattern)
    assert np.mean(depth_nm > 35) == pytest.approx(np.pi * 20**2 / 64**2, rel=0.03)


@settings(max_examples=15, derandomize=True, deadline=None)
@given(seed=st.integers(0, 2**32), pitch_nm=st.floats(20, 200), depth_nm=st.floats(1, 300))
def test_the_same_seed_gives_the_same_surface_within_its_bounds(
    seed: int, pitch_nm: float, depth_nm: float
) -> None:
    grid = Grid(rows=40, columns=56, pixel_size_nm=2.0)
    pattern = LineSpace(pitch_nm=pitch_nm, depth_nm=depth_nm)
    first = line_space(np.random.default_rng(seed), grid, pattern)
    again = line_space(np.random.default_rng(seed), grid, pattern)
    assert np.array_equal(first, again)
    assert first.shape == (40, 56)
    assert first.min() >= 0
    assert first.max() <= depth_nm * (1 + 1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_no_wall_is_cut_off_where_two_features_meet(seed: int) -> None:
    grid, depth_nm, steepest = Grid(rows=200, columns=200, pixel_size_nm=1.5), 160.0, 1.2
    slope_nm = depth_nm / np.tan(np.deg2rad(84))
    holes = ContactHoles(
        pitch_nm=60,
        radius_nm=27,
        radius_spread=0.05,
        aspect=1.0,
        depth_nm=depth_nm,
        sidewall_deg=84,
        roughness=SMOOTH,
    )
    lines = LineSpace(pitch_nm=30, depth_nm=depth_nm, sidewall_deg=84)
    for surface_nm in (
        contact_holes(np.random.default_rng(seed), grid, holes),
        line_space(np.random.default_rng(seed), grid, lines),
    ):
        steps_nm = np.abs(np.diff(surface_nm, axis=1))
        assert steps_nm.max() <= steepest * depth_nm * grid.pixel_size_nm / slope_nm * 1.001
