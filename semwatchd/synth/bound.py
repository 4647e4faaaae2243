"""The least error with which the depth of track a's holes can be told, whatever tells it: the oracle's floor.

The oracle knows the simulator, and of product and tool the ranges that the track draws them from. It has to
tell the level, and where the rough edges stand, from noisy grey values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from semwatchd.synth.beam import Scan, Yield, emission, frame_signal
from semwatchd.synth.domain import ONE_TOOL, Domain, Range
from semwatchd.synth.edges import Roughness, spectral_density
from semwatchd.synth.scene import HURST, LEVELS_NM, MARGIN_PX, ONE_PRODUCT, PIXEL_SIZE_NM, hole_layout
from semwatchd.synth.surface import Grid, walls

Floats = NDArray[np.float64]
Settings = Mapping[str, float]

LEVEL, OUTLINE = "level_nm", "outline_nm"
YIELD = tuple(field.name for field in fields(Yield))
#: Movement and brightness of single rows are left out: they could only add to the error.
BEAM = ("spot_px", "astigmatism", "flat_grey", "black_grey")
OUTLINE_NM: Range = (-0.5, 0.5)  # how far all edges together may stand from where the oracle believes them
LEVEL_STEP_NM, OUTLINE_STEP_NM = 2.0, 0.25  # of numerical derivatives
STEP = 0.1  # of a setting's range
EDGE_SAMPLES = 4096  # along which roughness is looked at
ROUNDED = 1 / 12  # variance that whole grey levels add


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """Least errors in nm, of one scene."""

    level_nm: float  #: standard deviation of the level, if it could be any
    guess_nm: float  #: RMSE of the best guess among the track's levels
    edges_nm: float  #: RMSE over all pixels that comes from not knowing where rough edges stand
    picture_nm: float  #: RMSE over all pixels, of both


def floor_of(
    seed: int,
    index: int,
    shots: int,
    size: tuple[int, int],
    *,
    domain: Domain = ONE_TOOL,
    sidewall_deg: Range = ONE_PRODUCT.sidewall_deg,
) -> Floor:
    """Bound the error for the ``index``-th set of holes, told from the mean of so many frames.

    Parameters
    ----------
    size
        Rows and columns of the frames.

    References
    ----------
    Van Trees 1968, Detection, Estimation, and Modulation Theory I, section 2.4: the Cramér-Rao bound with
    what is known beforehand. A range counts as a normal distribution of its variance. Wiener 1949,
    Extrapolation, Interpolation, and Smoothing of Stationary Time Series.
    """
    holes, ranges = Holes(seed, index, size), _ranges(domain, sidewall_deg)
    middle = {name: (low + high) / 2 for name, (low, high) in ranges.items()}
    middle[LEVEL] = float(np.mean(LEVELS_NM))
    variance = _variance(holes.grey(middle), middle, domain) / shots
    level_nm = _level_sigma(holes, middle, ranges, variance)
    guess_nm = best_guess_rmse(level_nm)
    follows = _derivative(holes.depth, middle, LEVEL, LEVEL_STEP_NM)
    edges_nm = _edges_rmse(holes, middle, variance)
    picture_nm = math.hypot(guess_nm * math.sqrt(float(np.square(follows).mean())), edges_nm)
    return Floor(level_nm=level_nm, guess_nm=guess_nm, edges_nm=edges_nm, picture_nm=picture_nm)


def best_guess_rmse(sigma_nm: float) -> float:
    """RMSE, in nm, of the mean of the track's levels weighted by how well each explains a reading.

    A reading is a level, each as likely, with a normal error of ``sigma_nm``.
    """
    levels = np.array(LEVELS_NM)
    reading = np.linspace(levels[0] - 8 * sigma_nm, levels[-1] + 8 * sigma_nm, 4001)
    off = 0.5 * np.square((reading[:, None] - levels) / sigma_nm)
    weight = np.exp(off.min(axis=1, keepdims=True) - off)  # between two exact readings both would be 0
    guess = weight @ levels / weight.sum(axis=1)
    likely = np.exp(-off)
    square = (likely * np.square(guess[:, None] - levels)).sum()
    return math.sqrt(float(square / likely.sum()))


class Holes:
    """What the settings make of one set of outlines."""

    def __init__(self, seed: int, index: int, size: tuple[int, int]) -> None:
        self._rows, self._columns = size
        rows, columns = (length + 2 * MARGIN_PX for length in size)
        grid = Grid(rows=rows, columns=columns, pixel_size_nm=PIXEL_SIZE_NM)
        self._inside_nm = hole_layout(np.random.default_rng([seed, index]), grid).inside_nm

    def grey(self, settings: Settings) -> Floats:
        """Frame without noise."""
        contrast = Yield(**{name: settings[name] for name in YIELD})
        scan = Scan(
            rows=self._rows,
            columns=self._columns,
            spot_px=settings["spot_px"],
            astigmatism=settings["astigmatism"],
            jitter_px=0.0,
        )
        electrons = emission(self._surface(settings), PIXEL_SIZE_NM, contrast)
        signal = frame_signal(np.random.default_rng(0), electrons, scan).astype(np.float64)
        return signal * settings["flat_grey"] + settings["black_grey"]

    def depth(self, settings: Settings) -> Floats:
        """Depth under each pixel of the frame, nm."""
        inner = self._surface(settings)[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
        return inner.astype(np.float64)

    def _surface(self, settings: Settings) -> NDArray[np.float32]:
        outside_nm = -(self._inside_nm + np.float32(settings[OUTLINE]))
        return walls(outside_nm, settings[LEVEL], settings["sidewall_deg"], PIXEL_SIZE_NM)


def _ranges(domain: Domain, sidewall_deg: Range) -> dict[str, Range]:
    drawn: dict[str, Range] = {name: getattr(domain, name) for name in (*YIELD, *BEAM)}
    return drawn | {"sidewall_deg": sidewall_deg, OUTLINE: OUTLINE_NM}


def _derivative(made: Callable[[Settings], Floats], middle: Settings, name: str, step: float) -> Floats:
    """Differentiate what is made of the settings by one of them."""
    above, below = ({**middle, name: middle[name] + sign * step} for sign in (1, -1))
    return (made(above) - made(below)) / (2 * step)


def _variance(grey: Floats, settings: Settings, domain: Domain) -> Floats:
    """Noise of each pixel: electrons counted, detector, whole grey levels."""
    per_electron = settings["flat_grey"] / math.sqrt(domain.dose[0] * domain.dose[1])
    detector_grey = Scan(rows=1, columns=1).detector_grey
    return (grey - settings["black_grey"]) * per_electron + detector_grey**2 + ROUNDED


def _level_sigma(holes: Holes, middle: Settings, ranges: Mapping[str, Range], variance: Floats) -> float:
    """Bound the level where all settings are unknown within their ranges, and it beyond any."""
    widths = {name: high - low for name, (low, high) in ranges.items()}
    steps = {LEVEL: LEVEL_STEP_NM} | {name: STEP * width for name, width in widths.items()}
    slopes = np.stack([_derivative(holes.grey, middle, *step).ravel() for step in steps.items()])
    known = np.diag([0.0, *(12 / width**2 for width in widths.values())])
    return math.sqrt(float(np.linalg.inv((slopes / variance.ravel()) @ slopes.T + known)[0, 0]))


def _edges_rmse(holes: Holes, middle: Settings, variance: Floats) -> float:
    """Bound what rough edges cost: the error of the best linear filter along them.

    Noise is what the frame tells of a length of edge, on average; the spot hides roughness finer than itself.
    """
    depth = _derivative(holes.depth, middle, OUTLINE, OUTLINE_STEP_NM)
    edge_nm = float(np.abs(depth).sum()) * PIXEL_SIZE_NM**2 / middle[LEVEL]  # each wall falls by the level
    told = np.square(_derivative(holes.grey, middle, OUTLINE, OUTLINE_STEP_NM)) / variance
    frequency_per_nm = np.fft.rfftfreq(EDGE_SAMPLES, PIXEL_SIZE_NM)
    roughness = _middle_roughness()
    density = spectral_density(frequency_per_nm, roughness)
    step_per_nm = float(frequency_per_nm[1])
    density *= roughness.sigma_nm**2 / (2 * float(density.sum()) * step_per_nm)  # of both signs together
    spot_nm = middle["spot_px"] * PIXEL_SIZE_NM
    seen = float(told.sum()) / edge_nm * np.exp(-np.square(2 * np.pi * frequency_per_nm * spot_nm))
    left_nm2 = 2 * step_per_nm * float((density / (1 + density * seen)).sum())
    return math.sqrt(left_nm2 * float(np.square(depth).mean()))


def _middle_roughness() -> Roughness:
    sigma_nm, xi_nm, hurst = map(np.mean, (ONE_PRODUCT.roughness_nm, ONE_PRODUCT.roughness_xi_nm, HURST))
    return Roughness(sigma_nm=float(sigma_nm), xi_nm=float(xi_nm), hurst=float(hurst))
