"""A tool that comes back to the same target: one scene, many frames with known shifts and fresh noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semwatchd.synth.beam import Scan, Yield, emission, scan
from semwatchd.synth.surface import ContactHoles, Grid, contact_holes

SPOT_MARGIN_PX = 8  # scene beyond the largest shift that the spot and the row jitter can reach
REFERENCE = -1  # the visit no tool makes: the frame with no shift that all others are compared with


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A scene, how it is scanned, and how far the stage may miss it."""

    scene: NDArray[np.float32]
    settings: Scan
    seed: int
    reach_px: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One frame of the target; the content is displaced by (dx, dy) against the reference frame."""

    pixels: NDArray[np.uint8] | NDArray[np.uint16]
    dx_px: float
    dy_px: float


def hole_target(
    seed: int,
    pixel_size_nm: float,
    settings: Scan,
    reach_px: float = 6.0,
    holes: ContactHoles | None = None,
    contrast: Yield | None = None,
) -> Target:
    """Make a field of contact holes wide enough for every shift up to ``reach_px``.

    Radius spread and roughness tell each hole from its neighbours, so a shift by a whole pitch cannot
    be mistaken for none.
    """
    margin = 2 * (int(np.ceil(reach_px)) + SPOT_MARGIN_PX)
    grid = Grid(rows=settings.rows + margin, columns=settings.columns + margin, pixel_size_nm=pixel_size_nm)
    holes = holes or ContactHoles(pitch_nm=64 * pixel_size_nm, radius_nm=20 * pixel_size_nm, depth_nm=80)
    depth_nm = contact_holes(np.random.default_rng([seed, 0]), grid, holes)
    scene = emission(depth_nm, pixel_size_nm, contrast)
    return Target(scene=scene, settings=settings, seed=seed, reach_px=reach_px)


def visit(target: Target, number: int) -> Visit:
    """Scan the target for the ``number``-th time. Any order and any process give the same frames."""
    rng = np.random.default_rng([target.seed, number - REFERENCE, 1])
    dx, dy = (0.0, 0.0) if number == REFERENCE else rng.uniform(-target.reach_px, target.reach_px, 2)
    pixels = scan(rng, target.scene, target.settings, (float(dx), float(dy)))
    return Visit(pixels=pixels, dx_px=float(dx), dy_px=float(dy))
