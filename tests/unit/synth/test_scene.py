from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semwatchd.synth.defects import Defect
from semwatchd.synth.scene import DEFECTS, LEVELS_NM, Kind, Scene, SceneSpec, make_scene
from semwatchd.synth.tracks import Track

SPEC = SceneSpec(track=Track.B, rows=72, columns=48, shots=4, seed=5, defect_share=0.0)
TRACK_A = replace(SPEC, track=Track.A, rows=66, columns=45)
WITH_DEFECTS = replace(SPEC, rows=144, columns=144, shots=1, defect_share=1.0)


@pytest.fixture(scope="module")
def track_a() -> list[Scene]:
    return [make_scene(TRACK_A, index) for index in range(60)]


@pytest.fixture(scope="module")
def broken() -> list[Scene]:
    return [make_scene(WITH_DEFECTS, index) for index in range(120)]


def test_a_scene_depends_on_seed_and_index_alone() -> None:
    first, again, other = make_scene(SPEC, 3), make_scene(SPEC, 3), make_scene(replace(SPEC, seed=6), 3)
    assert first.shots.tobytes() == again.shots.tobytes()
    assert first.depth_nm.tobytes() == again.depth_nm.tobytes()
    assert first.shots.tobytes() != other.shots.tobytes()


def test_frames_of_a_scene_share_the_picture_but_not_the_noise() -> None:
    shots = make_scene(replace(SPEC, rows=256, columns=256), 1).shots.astype(np.float64)
    assert len({shot.tobytes() for shot in shots}) == 4
    assert np.corrcoef(shots[0].ravel(), shots[3].ravel())[0, 1] > 0.3


def test_track_a_has_four_levels_and_half_of_its_pixels_on_the_floor(track_a: list[Scene]) -> None:
    assert {scene.level_nm for scene in track_a} == set(LEVELS_NM)
    assert all(scene.kind is Kind.CONTACT_HOLES for scene in track_a)
    assert all(scene.depth_nm.max() == pytest.approx(scene.level_nm) for scene in track_a)
    on_floor = np.mean([scene.depth_nm > scene.level_nm - 0.5 for scene in track_a])
    assert on_floor == pytest.approx(0.5, abs=0.06)


def test_deeper_holes_are_darker_on_one_tool(track_a: list[Scene]) -> None:
    """The level must be in the picture, or no model could tell it from one frame."""
    floors = {
        level: np.mean([s.shots[:, s.depth_nm > level - 0.5].mean() for s in track_a if s.level_nm == level])
        for level in (LEVELS_NM[0], LEVELS_NM[-1])
    }
    assert floors[LEVELS_NM[-1]] < floors[LEVELS_NM[0]] - 1.0


def test_track_b_shows_every_kind_between_its_depths() -> None:
    scenes = [make_scene(replace(SPEC, shots=1), index) for index in range(40)]
    assert {scene.kind for scene in scenes} == set(Kind)
    levels = [scene.level_nm for scene in scenes]
    assert 40 <= min(levels) < 60
    assert 140 < max(levels) <= 160
    assert all(scene.depth_nm.min() >= 0 for scene in scenes)


def test_grey_levels_are_never_stretched_per_picture(track_a: list[Scene]) -> None:
    tops = [scene.shots[0][scene.depth_nm == 0].mean() for scene in track_a]
    assert np.std(tops) < 0.15 * np.mean(tops)
    assert np.mean([np.isin(scene.shots, (0, 255)).mean() for scene in track_a]) < 1e-3


def test_the_shifted_domain_sees_the_same_scenes_otherwise(track_a: list[Scene]) -> None:
    elsewhere = [make_scene(replace(TRACK_A, track=Track.A_SHIFT), index) for index in range(60)]
    assert [scene.level_nm for scene in elsewhere] == [scene.level_nm for scene in track_a]
    assert np.array_equal(elsewhere[7].depth_nm, track_a[7].depth_nm)
    contrast = [np.mean([scene.shots[0].std() for scene in scenes]) for scenes in (elsewhere, track_a)]
    assert contrast[0] < 0.85 * contrast[1]


@pytest.mark.parametrize("defect", DEFECTS)
def test_each_defect_is_where_its_mask_says(broken: list[Scene], defect: Defect) -> None:
    scenes = [scene for scene in broken if scene.defect is defect]
    assert len(scenes) > 5
    for scene in scenes:
        share = scene.mask.mean()
        assert 0.0005 < share < 0.35, f"{scene.kind}: {share}"


def test_a_sound_scene_has_no_mask() -> None:
    assert not make_scene(SPEC, 0).mask.any()


@pytest.mark.parametrize(
    ("defect", "kind", "deeper"),
    [
        (Defect.MISSING, Kind.PILLARS, True),
        (Defect.MISSING, Kind.CONTACT_HOLES, False),
        (Defect.BREAK, Kind.LINE_SPACE, True),
        (Defect.OVERSIZE, Kind.CONTACT_HOLES, True),
        (Defect.PARTICLE, Kind.TRENCHES, False),
        (Defect.SCRATCH, Kind.TRENCHES, True),
    ],
)
def test_a_defect_changes_the_depth_the_right_way(
    broken: list[Scene], defect: Defect, kind: Kind, *, deeper: bool
) -> None:
    (scene, *_) = [s for s in broken if s.defect is defect and s.kind is kind]
    inside = float(scene.depth_nm[scene.mask == 1].mean())
    typical = 0.5 * scene.level_nm
    assert (inside > typical) is deeper


@settings(max_examples=12, derandomize=True, deadline=None)
@given(rows=st.integers(16, 90), columns=st.integers(16, 90), index=st.integers(0, 10**6))
def test_any_size_gives_frames_depth_and_mask_of_that_size(rows: int, columns: int, index: int) -> None:
    scene = make_scene(replace(SPEC, rows=rows, columns=columns, shots=2, defect_share=0.5), index)
    assert scene.shots.shape == (2, rows, columns)
    assert scene.shots.dtype == np.uint8
    assert scene.depth_nm.shape == scene.mask.shape == (rows, columns)
    assert scene.depth_nm.dtype == np.float32
    assert np.isfinite(scene.depth_nm).all()
