import cv2
import numpy as np
import pytest

from semwatchd.synth.defects import Defect, deform, deposit, difference_mask
from semwatchd.synth.edges import Roughness
from semwatchd.synth.surface import ContactHoles, Grid, Layout, LineSpace, lay_holes, lay_lines, walls

GRID = Grid(rows=120, columns=120, pixel_size_nm=1.0)
SMOOTH = Roughness(sigma_nm=0.0)


def layout(name: str) -> Layout:
    rng = np.random.default_rng(1)
    if name == "lines":
        return lay_lines(rng, GRID, LineSpace(pitch_nm=40, depth_nm=80, offset_nm=20, roughness=SMOOTH))
    holes = ContactHoles(pitch_nm=40, radius_nm=12, depth_nm=80, radius_spread=0.0, roughness=SMOOTH)
    return lay_holes(rng, GRID, holes)


PATTERNS = pytest.mark.parametrize("name", ["lines", "holes"])


@PATTERNS
@pytest.mark.parametrize(
    ("defect", "grows"),
    [(Defect.BRIDGE, True), (Defect.OVERSIZE, True), (Defect.BREAK, False), (Defect.MISSING, False)],
)
def test_a_defect_only_adds_to_the_pattern_or_only_takes_away(
    name: str, defect: Defect, *, grows: bool
) -> None:
    sound = layout(name)
    change = deform(np.random.default_rng(2), GRID, sound, defect) - sound.inside_nm
    assert change.max() > 1 if grows else change.min() < -1
    assert change.min() == 0 if grows else change.max() == 0


@PATTERNS
def test_a_bridge_joins_a_feature_with_its_neighbour(name: str) -> None:
    sound = layout(name)
    joined = deform(np.random.default_rng(2), GRID, sound, Defect.BRIDGE)
    row, column = round(sound.feature.y_nm), round(sound.feature.x_nm)
    way = slice(column, column + round(sound.feature.pitch_nm))
    assert sound.inside_nm[row, way].min() < 0
    assert joined[row, way].min() > 0


@pytest.mark.parametrize("defect", [Defect.BRIDGE, Defect.OVERSIZE])
def test_a_defect_of_a_dense_pattern_with_wide_walls_is_one_place_without_cliffs(defect: Defect) -> None:
    dense = LineSpace(pitch_nm=25, depth_nm=150, offset_nm=20, roughness=SMOOTH)
    sound = lay_lines(np.random.default_rng(1), GRID, dense)
    sloped = [
        walls(inside, 150, 82, GRID.pixel_size_nm)
        for inside in (sound.inside_nm, deform(np.random.default_rng(2), GRID, sound, defect))
    ]
    mask = difference_mask(sloped[1], sloped[0], 150)
    assert cv2.connectedComponents(mask)[0] == 2  # the ground is one of them
    steepest_nm = np.abs(np.diff(sloped[0], axis=1)).max()
    assert np.abs(np.diff(sloped[1], axis=1)).max() < 1.3 * steepest_nm


@PATTERNS
def test_a_break_cuts_a_feature_through(name: str) -> None:
    sound = layout(name)
    cut = deform(np.random.default_rng(2), GRID, sound, Defect.BREAK)
    row, column = round(sound.feature.y_nm), round(sound.feature.x_nm)
    across = slice(column - round(sound.feature.half_x_nm), column + round(sound.feature.half_x_nm))
    assert cut[row, across].max() < 0


@PATTERNS
def test_a_missing_feature_is_gone_and_its_neighbours_stay(name: str) -> None:
    sound = layout(name)
    without = deform(np.random.default_rng(2), GRID, sound, Defect.MISSING)
    at, pitch = round(sound.feature.x_nm), round(sound.feature.pitch_nm)
    row = round(sound.feature.y_nm)
    assert without[row, at] < 0
    for neighbour in (at - pitch, at + pitch):
        if 0 <= neighbour < GRID.columns:
            assert without[row, neighbour] == sound.inside_nm[row, neighbour] > 0


def test_a_particle_rises_above_the_pattern_and_a_scratch_cuts_into_it() -> None:
    flat = np.zeros((GRID.rows, GRID.columns), np.float32)
    risen = deposit(np.random.default_rng(3), GRID, flat, 80.0, Defect.PARTICLE)
    assert risen.min() == pytest.approx(-40, abs=1)
    cut = deposit(np.random.default_rng(3), GRID, flat, 80.0, Defect.SCRATCH)
    assert cut.max() == pytest.approx(40, abs=1)
    assert (cut.max(axis=1) > 30).all(), "from border to border"


def test_the_mask_is_where_the_surfaces_differ() -> None:
    before = np.zeros((4, 4), np.float32)
    after = before.copy()
    after[1, 2], after[3, 3] = -10, 3  # of 80 nm: 12 % and 4 %
    assert np.argwhere(difference_mask(after, before, 80.0)).tolist() == [[1, 2]]
