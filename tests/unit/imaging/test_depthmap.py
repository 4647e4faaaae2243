import numpy as np
import pytest
from numpy.typing import NDArray

from semwatchd.imaging.depthmap import depth_summary
from semwatchd.synth.scene import SceneSpec, make_scene
from semwatchd.synth.tracks import Track


def holes(
    level_nm: float = 150.0, top_nm: float = 0.0, rough_nm: float = 0.0, radius_px: float = 9.0
) -> NDArray[np.float32]:
    """Round holes with walls 2 px wide, 24 px apart."""
    y, x = np.mgrid[:96, :96]
    off = np.hypot(y % 24 - 11.5, x % 24 - 11.5)
    depth = top_nm + (level_nm - top_nm) * np.clip((radius_px + 1 - off) / 2, 0, 1)
    rough = np.random.default_rng(1).normal(0, 1, depth.shape) * rough_nm
    return np.asarray(np.maximum(depth + rough, 0), np.float32)


def test_the_floor_and_the_depth_of_the_holes_are_those_that_were_made() -> None:
    found = depth_summary(holes(150, top_nm=10))
    assert found.level_nm == pytest.approx(150, abs=0.1)
    assert found.hole_depth_nm == pytest.approx(140, abs=0.1)
    assert (found.p05_nm, found.p95_nm) == pytest.approx((10, 150))
    assert found.roughness_nm == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("rough_nm", [0.5, 2.0, 5.0])
def test_the_roughness_is_that_of_the_floor_and_not_of_the_walls(rough_nm: float) -> None:
    assert depth_summary(holes(rough_nm=rough_nm)).roughness_nm == pytest.approx(rough_nm, rel=0.08)


@pytest.mark.parametrize(
    "depth",
    [
        np.full((40, 40), 80, np.float32),
        np.random.default_rng(2).normal(80, 3, (60, 60)).astype(np.float32),
        np.linspace(0, 100, 3600, dtype=np.float32).reshape(60, 60),
        np.tile(np.array([158.0, 158.5], np.float32), (40, 20)),
    ],
    ids=["flat", "noise", "slope", "steps of bfloat16"],
)
def test_where_there_are_no_two_levels_none_is_made_up(depth: NDArray[np.float32]) -> None:
    found = depth_summary(depth)
    assert (found.level_nm, found.hole_depth_nm, found.roughness_nm) == (None, None, None)
    assert found.median_nm == pytest.approx(float(np.median(depth)))


@pytest.mark.parametrize("noise_nm", [0, 2])
def test_walls_that_are_wide_do_not_make_the_floor_shallow(noise_nm: float) -> None:
    """Walls of 20 px, and a floor that is a twelfth of the picture."""
    profile = np.concatenate(
        [np.zeros(40), np.linspace(0, 100, 20), np.full(10, 100), np.linspace(100, 0, 20)]
    )
    noise = np.random.default_rng(3).normal(0, noise_nm, (60, 90))
    found = depth_summary(np.maximum(np.tile(profile, (60, 1)) + noise, 0).astype(np.float32))
    assert found.level_nm == pytest.approx(100, abs=0.1 + noise_nm / 4)
    assert found.roughness_nm == pytest.approx(noise_nm, abs=0.3 * noise_nm + 1e-3)


def test_a_groove_without_a_floor_has_no_level() -> None:
    profile = np.concatenate([np.zeros(60), np.linspace(0, 100, 15), np.linspace(100, 0, 15)])
    found = depth_summary(np.tile(profile, (60, 1)).astype(np.float32))
    assert (found.level_nm, found.hole_depth_nm, found.roughness_nm) == (None, None, None)
    assert found.median_nm == 0


@pytest.mark.parametrize("track", [Track.A, Track.B])
@pytest.mark.parametrize("noise_nm", [0, 2])
def test_the_level_of_simulated_scenes_is_found(track: Track, noise_nm: float) -> None:
    spec = SceneSpec(track=track, rows=72, columns=72, shots=1, seed=5, defect_share=0)
    rng, off = np.random.default_rng(4), list[float]()
    for index in range(16):
        scene = make_scene(spec, index)
        noisy = scene.depth_nm + rng.normal(0, noise_nm, scene.depth_nm.shape)
        found = depth_summary(np.maximum(noisy, 0).astype(np.float32))
        if found.level_nm is not None:
            off.append(abs(found.level_nm - scene.level_nm))
    assert len(off) >= 10  # some have no floor to speak of
    assert max(off) < 0.1 + noise_nm


@pytest.mark.parametrize("depth", [np.zeros((0, 4), np.float32), np.full((4, 4), np.nan, np.float32)])
def test_what_is_no_map_is_refused(depth: NDArray[np.float32]) -> None:
    with pytest.raises(ValueError, match="empty, or not finite"):
        depth_summary(depth)
