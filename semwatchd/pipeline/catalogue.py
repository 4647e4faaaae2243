"""Every measurement there is: its name, unit, range, meaning and source. The one place where they are listed.

The stages take their names from here, the reference page is written from here, and what is learned from the
numbers later finds here how to scale them.
"""

from __future__ import annotations

from dataclasses import dataclass

GREY = "g.l."
GREY2 = "g.l.²"
POWER = "g.l.² px²"
FREQUENCY = "cycles/px"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One named number of a picture."""

    name: str
    unit: str
    low: float | None  #: no value is lower; None: there is no such limit
    high: float | None
    meaning: str
    source: str = ""  #: authors, year, DOI


def names(stage: str) -> tuple[str, ...]:
    """Names of what a stage measures, in the order of the table."""
    return tuple(measurement.name for measurement in CATALOGUE[stage])


_INTENSITY = (
    Measurement("intensity.mean", GREY, None, None, "Mean: brightness."),
    Measurement("intensity.std", GREY, 0, None, "Standard deviation."),
    Measurement("intensity.min", GREY, None, None, "Smallest level."),
    Measurement("intensity.max", GREY, None, None, "Largest level."),
    Measurement(
        *("intensity.p01", GREY, None, None),
        "1st percentile: the smallest level that at least 1 % of the pixels do not exceed.",
    ),
    Measurement("intensity.p05", GREY, None, None, "5th percentile."),
    Measurement("intensity.p50", GREY, None, None, "Median."),
    Measurement("intensity.p95", GREY, None, None, "95th percentile."),
    Measurement("intensity.p99", GREY, None, None, "99th percentile."),
    Measurement("intensity.contrast", GREY, 0, None, "95th less 5th percentile."),
    Measurement(
        *("intensity.skewness", "1", None, None),
        "Third moment about the mean over std³: above 0 with a bright tail; `null` without spread.",
    ),
    Measurement(
        *("intensity.kurtosis", "1", 1, None),
        "Fourth moment about the mean over std⁴; 3 for a bell curve; `null` without spread.",
    ),
    Measurement(
        *("intensity.entropy_bits", "bit", 0, 16),
        "Shannon entropy of the levels, up to the bit depth; of float pictures over 256 bins.",
    ),
    Measurement("intensity.levels", "1", 1, None, "How many different levels occur."),
    Measurement(
        *("intensity.level_step", GREY, 1, 65535),
        "Greatest common divisor of the gaps between them; 256 or 257 in 16-bit files that carry 8 bits. "
        "`null` for float pictures and where there is one level only.",
    ),
    Measurement(
        "intensity.saturated_low_ratio", "1", 0, 1, "Share of pixels at 0; `null` for float pictures."
    ),
    Measurement(
        *("intensity.saturated_high_ratio", "1", 0, 1),
        "Share of pixels at the largest value that the file's bits can give; `null` for float pictures.",
    ),
)

_SHARPNESS = (
    Measurement(
        *("sharpness.laplacian_variance", GREY2, 0, None),
        "Variance of the 4-neighbour Laplacian. For comparison with other tools only: on a raw SEM frame it "
        "is mostly noise.",
        "Pech-Pacheco et al. 2000, doi:10.1109/ICPR.2000.903548",
    ),
    Measurement(
        *("sharpness.tenengrad", GREY2, 0, None),
        "Mean of Gx² + Gy², 3 x 3 Sobel, not normalised.",
        "Tenenbaum 1970; Krotkov 1988, doi:10.1007/BF00127822; Groen et al. 1985, doi:10.1002/cyto.990060202",
    ),
    Measurement(
        *("sharpness.tenengrad_corrected", GREY2, None, None),
        "Tenengrad less what noise adds to it (24 σ²). **The one to alarm on.** Slightly below 0 where there "
        "is nothing but noise.",
    ),
    Measurement(
        *("sharpness.brenner", GREY2, 0, None),
        "Mean squared difference between pixels 2 apart, along x plus along y.",
        "Brenner et al. 1976, doi:10.1177/24.1.1254907",
    ),
    Measurement(
        *("sharpness.brenner_corrected", GREY2, None, None),
        "The same less what noise adds to it (4 σ²).",
    ),
    Measurement(
        *("sharpness.resolution_px", "px", 0, None),
        "Rise of the steepest edges from 20 % to 80 %, by the derivative method; `null` where fewer than "
        "four edges stand out of the noise, and on pictures below 70 px. The specimen's own edge width is "
        "part of it.",
        "Reichenbach et al. 1991, doi:10.1117/12.55783",
    ),
    Measurement(
        *("sharpness.resolution_nm", "nm", 0, None),
        "The same in nanometres; `null` where the pixel size is not known.",
    ),
    Measurement(
        *("noise.sigma", GREY, 0, None),
        "Standard deviation of white noise, along the slow axis (y).",
    ),
    Measurement(
        *("noise.sigma_x", GREY, 0, None),
        "The same along the scan line (x); too small where the detector smears.",
    ),
    Measurement(
        *("noise.axes_ratio", "1", 0, None),
        "`noise.sigma_x` over `noise.sigma`: 1 for white noise, less the slower the detector is for the "
        "scan; a trait of tool and scan speed, to be watched for change. `null` where no noise was found.",
    ),
    Measurement(
        *("snr.ratio", "1", 0, None),
        "var(signal) / var(noise), with the noise along y; `null` where no noise was found.",
    ),
    Measurement("snr.db", "dB", None, None, "10 log10 of it; `null` where the ratio is 0 or `null`."),
    Measurement("snr.ratio_x", "1", 0, None, "The same with the noise along x, for comparison."),
    Measurement(
        *("snr.ratio_spline", "1", 0, None),
        "The same with the noise along y by Savitzky-Golay smoothing and a cubic spline through the even "
        "autocorrelation, from 256 rows.",
        "Sim et al. 2015, doi:10.1111/jmi.12227",
    ),
    Measurement(
        *("snr.valid", "1", 0, 1),
        "1 where `snr.ratio` may be compared; 0 where it is `null` or outside 0.05 to 200, where the methods "
        "or the axes contradict each other, or where more than 5 % of the pixels are saturated, which cuts "
        "noise off.",
    ),
)

_SPECTRUM = (
    Measurement(
        *("spectrum.noise_floor", POWER, 0, None),
        "Mean power at 0.4 to 0.5 cycles/px. White noise of variance s gives s.",
    ),
    Measurement(
        *("spectrum.high_frequency_ratio", "1", 0, 1),
        "Share of all power above 0.25 cycles/px; white noise gives 0.75.",
    ),
    Measurement(
        "spectrum.centroid_cycles_per_px", FREQUENCY, 0, 0.5, "Mean frequency of the power above the floor."
    ),
    Measurement(
        *("spectrum.bandwidth_cycles_per_px", FREQUENCY, 0, 0.5),
        "Highest frequency at which the power is at least twice the floor; `null` where it never is.",
    ),
    Measurement(
        *("spectrum.slope", "1", None, None),
        "Exponent of the power law up to the bandwidth, about -4 to 0; `null` without one.",
    ),
)

CATALOGUE: dict[str, tuple[Measurement, ...]] = {
    "intensity": _INTENSITY,
    "sharpness": _SHARPNESS,
    "spectrum": _SPECTRUM,
}
