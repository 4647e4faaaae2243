"""One scene with its truth: several frames, the depth under every pixel, and where the defect is.

A scene depends on its seed and its index alone, so any number of processes makes the same data set.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from semwatchd.synth.beam import emission, scan
from semwatchd.synth.defects import Defect, deform, deposit, difference_mask
from semwatchd.synth.domain import ONE_TOOL, WIDE, Range, draw, shifted
from semwatchd.synth.edges import Roughness
from semwatchd.synth.surface import ContactHoles, Grid, Layout, LineSpace, lay_holes, lay_lines, walls
from semwatchd.synth.tracks import Track

PIXEL_SIZE_NM = 1.5
MARGIN_PX = 16  # of scene around the frame: the widest spot, the frames' shifts and the rows' movement
SHOT_SHIFT_PX = 0.05  # standard deviation of a frame's place against the first frame's
DEFECTS = tuple(defect for defect in Defect if defect is not Defect.NONE)


class Kind(StrEnum):
    """The pattern."""

    LINE_SPACE = "line_space"
    CONTACT_HOLES = "contact_holes"
    TRENCHES = "trenches"
    PILLARS = "pillars"


HURST: Range = (0.4, 0.9)  # of all edges
LEVELS_NM = (140.0, 150.0, 160.0, 170.0)  # of track A
ANY_DEPTH_NM = (40.0, 160.0)  # of track B
FRAME_DOMAINS = {
    Track.A: ONE_TOOL,
    Track.B: WIDE,
    Track.A_SHIFT: shifted(ONE_TOOL),
    Track.B_SHIFT: shifted(WIDE),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneSpec:
    """What all scenes of a data set have in common."""

    track: Track
    rows: int
    columns: int
    shots: int
    seed: int
    defect_share: float  #: of the scenes; 0 to 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Frames and truth.

    ``shots`` is (shots, rows, columns) uint8, ``depth_nm`` (rows, columns) float32 below the pattern's top,
    0 on it and on whatever rises above it, ``mask`` (rows, columns) uint8, 1 in the defect.
    """

    shots: NDArray[np.uint8]
    depth_nm: NDArray[np.float32]
    mask: NDArray[np.uint8]
    kind: Kind
    defect: Defect
    level_nm: float  #: depth of the pattern's floor
    dose: float


def make_scene(spec: SceneSpec, index: int) -> Scene:
    """Make the ``index``-th scene of a data set."""
    rng = np.random.default_rng([spec.seed, index])
    kind = Kind.CONTACT_HOLES if _is_a(spec.track) else list(Kind)[index % len(Kind)]
    defect = Defect(rng.choice(DEFECTS)) if rng.random() < spec.defect_share else Defect.NONE
    grid = Grid(
        rows=spec.rows + 2 * MARGIN_PX, columns=spec.columns + 2 * MARGIN_PX, pixel_size_nm=PIXEL_SIZE_NM
    )
    level_nm = float(rng.choice(LEVELS_NM) if _is_a(spec.track) else rng.uniform(*ANY_DEPTH_NM))
    product = ONE_PRODUCT if _is_a(spec.track) else ANY_PRODUCT
    surface_nm, mask = _surface(
        rng, grid, _Pattern(kind=kind, defect=defect, level_nm=level_nm, product=product)
    )
    contrast, settings = draw(rng, FRAME_DOMAINS[spec.track], spec.rows, spec.columns)
    electrons = emission(surface_nm, PIXEL_SIZE_NM, contrast)
    shifts = rng.normal(0, SHOT_SHIFT_PX, (spec.shots, 2)).clip(-1, 1)
    shifts[0] = 0.0  # the first frame is the one the truth belongs to
    shots = [scan(rng, electrons, settings, (float(dx), float(dy))) for dx, dy in shifts]
    inner = (slice(MARGIN_PX, -MARGIN_PX), slice(MARGIN_PX, -MARGIN_PX))
    return Scene(
        shots=np.stack(shots).astype(np.uint8, copy=False),
        depth_nm=np.maximum(surface_nm[inner], 0),
        mask=mask[inner],
        kind=kind,
        defect=defect,
        level_nm=level_nm,
        dose=settings.dose,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Product:
    """What its patterns may be: lowest and highest value of each setting."""

    sidewall_deg: Range = (80.0, 88.5)
    roughness_nm: Range = (0.3, 1.6)
    roughness_xi_nm: Range = (8.0, 30.0)
    hole_pitch_nm: Range = (30.0, 60.0)
    hole_filling: Range = (0.24, 0.36)  #: radius over pitch
    hole_aspect: Range = (0.9, 1.4)


#: Track A's: the floors of its holes are half of the picture. Walls of one angle: a free one would hide the
#: depth, for a wall's width is the depth over its slope.
ONE_PRODUCT = _Product(
    sidewall_deg=(85.9, 86.1),
    roughness_nm=(0.3, 0.6),
    roughness_xi_nm=(20.0, 40.0),
    hole_pitch_nm=(70.0, 80.0),
    hole_filling=(0.45, 0.465),
    hole_aspect=(1.0, 1.0),
)
ANY_PRODUCT = _Product()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pattern:
    kind: Kind
    defect: Defect
    level_nm: float
    product: _Product


def _surface(
    rng: np.random.Generator, grid: Grid, pattern: _Pattern
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Depth of the scene with its defect, and the defect's mask."""
    layout = _layout(rng, grid, pattern)
    sidewall_deg = rng.uniform(*pattern.product.sidewall_deg)
    high = 1 if pattern.kind in {Kind.LINE_SPACE, Kind.PILLARS} else -1

    def built(inside_nm: NDArray[np.float32]) -> NDArray[np.float32]:
        return walls(high * inside_nm, pattern.level_nm, sidewall_deg, grid.pixel_size_nm)

    sound_nm = built(layout.inside_nm)
    if pattern.defect is Defect.NONE:
        return sound_nm, np.zeros(sound_nm.shape, np.uint8)
    deformed_nm = built(deform(rng, grid, layout, pattern.defect))
    broken_nm = deposit(rng, grid, deformed_nm, pattern.level_nm, pattern.defect)
    return broken_nm, difference_mask(broken_nm, sound_nm, pattern.level_nm)


def hole_layout(rng: np.random.Generator, grid: Grid) -> Layout:
    """Lay out contact holes as track a has them."""
    return _layout(
        rng,
        grid,
        _Pattern(kind=Kind.CONTACT_HOLES, defect=Defect.NONE, level_nm=LEVELS_NM[0], product=ONE_PRODUCT),
    )


def _layout(rng: np.random.Generator, grid: Grid, pattern: _Pattern) -> Layout:
    roughness = Roughness(
        sigma_nm=rng.uniform(*pattern.product.roughness_nm),
        xi_nm=rng.uniform(*pattern.product.roughness_xi_nm),
        hurst=rng.uniform(*HURST),
    )
    match pattern.kind:
        case Kind.LINE_SPACE:
            return lay_lines(rng, grid, _lines(rng, (20, 50), (0.35, 0.65), pattern.level_nm, roughness))
        case Kind.TRENCHES:
            return lay_lines(rng, grid, _lines(rng, (40, 100), (0.2, 0.45), pattern.level_nm, roughness))
        case _:
            return lay_holes(rng, grid, _dots(rng, pattern, roughness))


def _lines(
    rng: np.random.Generator,
    pitch_nm: tuple[float, float],
    duty: tuple[float, float],
    level_nm: float,
    roughness: Roughness,
) -> LineSpace:
    pitch = rng.uniform(*pitch_nm)
    return LineSpace(
        pitch_nm=pitch,
        depth_nm=level_nm,
        duty=rng.uniform(*duty),
        offset_nm=rng.uniform(0, pitch),
        roughness=roughness,
    )


def _dots(rng: np.random.Generator, pattern: _Pattern, roughness: Roughness) -> ContactHoles:
    pitch_nm = rng.uniform(*pattern.product.hole_pitch_nm)
    return ContactHoles(
        pitch_nm=pitch_nm,
        radius_nm=pitch_nm * rng.uniform(*pattern.product.hole_filling),
        depth_nm=pattern.level_nm,
        aspect=rng.uniform(*pattern.product.hole_aspect),
        offset_nm=(rng.uniform(0, pitch_nm), rng.uniform(0, pitch_nm)),
        roughness=roughness,
    )


def _is_a(track: Track) -> bool:
    return track in {Track.A, Track.A_SHIFT}
