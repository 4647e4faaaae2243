"""What one microscope and its settings may be: the ranges a scene's beam is drawn from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from semwatchd.synth.beam import Scan, Yield

Range = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """Lowest and highest value of each setting, drawn uniformly and once per scene; units as in ``Scan``."""

    dose: Range = (15.0, 120.0)  #: drawn uniformly in its logarithm
    spot_px: Range = (0.6, 1.3)
    astigmatism: Range = (0.8, 1.25)
    jitter_px: Range = (0.05, 0.15)
    drift_px: Range = (-0.3, 0.3)
    vibration_px: Range = (0.0, 0.2)
    vibration_rows: Range = (6.0, 40.0)
    row_gain: Range = (0.005, 0.012)
    flat_grey: Range = (70.0, 95.0)
    black_grey: Range = (10.0, 25.0)
    slope_gain: Range = (0.12, 0.30)
    bloom_gain: Range = (0.8, 2.0)
    bloom_nm: Range = (1.8, 3.8)
    shadow: Range = (0.15, 0.40)
    charging: Range = (0.0, 0.25)
    charging_nm: Range = (4.0, 12.0)


#: Whatever microscope: for scenes of all kinds.
WIDE = Domain()

#: One well-kept tool at one recipe, as where a model is trained for a product: the level can be seen.
ONE_TOOL = Domain(
    dose=(200.0, 200.0),
    spot_px=(0.8, 1.0),
    astigmatism=(0.9, 1.1),
    jitter_px=(0.02, 0.05),
    drift_px=(-0.05, 0.05),
    vibration_px=(0.0, 0.03),
    flat_grey=(78.0, 82.0),
    black_grey=(15.8, 16.2),
    slope_gain=(0.19, 0.21),
    bloom_gain=(1.4, 1.6),
    bloom_nm=(2.8, 3.2),
    shadow=(0.245, 0.255),
    charging=(0.06, 0.08),
    charging_nm=(7.0, 9.0),
)


def shifted(domain: Domain) -> Domain:
    """Another microscope on purpose: blunter, greyer, less steady; for testing what a model survives."""
    return replace(
        domain,
        spot_px=_scaled(domain.spot_px, 1.5),
        jitter_px=_scaled(domain.jitter_px, 1.5),
        flat_grey=_scaled(domain.flat_grey, 0.8),
        black_grey=_moved(domain.black_grey, 25.0),
        bloom_gain=_scaled(domain.bloom_gain, 0.8),
    )


def draw(rng: np.random.Generator, domain: Domain, rows: int, columns: int) -> tuple[Yield, Scan]:
    """Draw the contrast and the scan of one scene."""

    def one(bounds: Range) -> float:
        return float(rng.uniform(*bounds))

    contrast = Yield(
        slope_gain=one(domain.slope_gain),
        bloom_gain=one(domain.bloom_gain),
        bloom_nm=one(domain.bloom_nm),
        shadow=one(domain.shadow),
        charging=one(domain.charging),
        charging_nm=one(domain.charging_nm),
    )
    scan = Scan(
        rows=rows,
        columns=columns,
        dose=float(np.exp(rng.uniform(*np.log(domain.dose)))),
        spot_px=one(domain.spot_px),
        astigmatism=one(domain.astigmatism),
        jitter_px=one(domain.jitter_px),
        drift_px=one(domain.drift_px),
        vibration_px=one(domain.vibration_px),
        vibration_rows=one(domain.vibration_rows),
        row_gain=one(domain.row_gain),
        flat_grey=one(domain.flat_grey),
        black_grey=one(domain.black_grey),
    )
    return contrast, scan


def _scaled(bounds: Range, factor: float) -> Range:
    return bounds[0] * factor, bounds[1] * factor


def _moved(bounds: Range, by: float) -> Range:
    return bounds[0] + by, bounds[1] + by
