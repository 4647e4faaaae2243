"""Every measurement there is: its name, unit, range, meaning and source. The one place where they are listed.

The stages take their names from here, the reference page is written from here, and what is learned from the
numbers later finds here how to scale them.
"""

from __future__ import annotations

from dataclasses import dataclass

from semwatchd.imaging.features import FEATURES

GREY = "g.l."
GREY2 = "g.l.²"
POWER = "g.l.² px²"
FREQUENCY = "cycles/px"
MOST_NM = 255  # a network's scale ends there


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
        *("charging.dark_tail", "1", 0, None),
        "5th less 1st percentile, over the contrast: 0.2 for a bell curve, more with dark patches; `null` "
        "without contrast.",
    ),
    Measurement(
        *("charging.bright_tail", "1", 0, None),
        "99th less 95th percentile, over the contrast: more where the specimen glows.",
    ),
    Measurement(
        *("intensity.entropy_bits", "bit", 0, 16),
        "Shannon entropy of the levels, up to the bit depth; of float pictures over 256 bins.",
    ),
    Measurement(
        "intensity.levels", "1", 1, None, "How many different levels occur; `null` for float pictures."
    ),
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

_SCAN = (
    Measurement(
        *("scan.jitter_px", "px", 0, None),
        "Standard deviation of the lines' random displacement along x, less what noise adds. Rough edges of "
        "the specimen count, the less the more edges a line crosses. `null` where lines cannot be located.",
        "Lucas & Kanade 1981, in one dimension",
    ),
    Measurement(
        *("scan.vibration_px", "px", 0, None),
        "Amplitude of the strongest periodic displacement of the lines along x, faster than 0.1 cycles per "
        "line; `null` below 66 lines or where lines cannot be located.",
    ),
    Measurement(
        *("scan.vibration_cycles_per_line", "cycles/line", 0.1, 0.5),
        "Its frequency; times the lines per second of the scan it is in Hz, but for aliasing.",
    ),
    Measurement(
        *("scan.vibration_prominence", "1", 0, None),
        "Its power over that of its neighbourhood: up to about 15 by chance.",
    ),
    Measurement(
        *("scan.banding", GREY, 0, None),
        "Standard deviation of a line's mean level against that of its two neighbours, less what noise adds.",
    ),
    Measurement(
        *("charging.slope", GREY, None, None),
        "Change of the lines' mean level from the first to the last line, by a straight line through all.",
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
        *("sharpness.tenengrad_corrected", GREY2, 0, None),
        "Tenengrad less what noise adds to it: 24 σ², or more where noise is alike along the scan line. "
        "**The one to alarm on.** 0, with a warning, where noise accounts for all of it.",
    ),
    Measurement(
        *("sharpness.brenner", GREY2, 0, None),
        "Mean squared difference between pixels 2 apart, along x plus along y.",
        "Brenner et al. 1976, doi:10.1177/24.1.1254907",
    ),
    Measurement(
        *("sharpness.brenner_corrected", GREY2, 0, None),
        "The same less what noise adds to it, about 4 σ².",
    ),
    Measurement(
        *("sharpness.resolution_px", "px", 0, None),
        "Rise of the steepest edges from 20 % to 80 %, by the derivative method; `null` where fewer than "
        "four edges stand out of the noise, and on pictures below 70 px. The specimen's own edge width is "
        "part of it.",
        "Reichenbach, Park & Narayanswamy 1991, Optical Engineering 30(2), 170-177",
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
        "autocorrelation, from 128 rows.",
        "Kiani, Sim, Nia & Tso 2015, doi:10.1111/jmi.12227",
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
    Measurement(
        *("spectrum.kurtosis", "1", 1, None),
        "Kurtosis of the power above the noise, up to 0.15 cycles/px, as a distribution over both "
        "frequencies: 8 for a Gaussian; falls with blur. `null` where nothing stands out of the noise or the "
        "picture shows straight lines only.",
        "Zhang, Postek & Larrabee 1999, Image sharpness measurement in the SEM, part III, Scanning 21",
    ),
    Measurement(
        *("astigmatism.ratio", "1", 1, 10),
        "Long over short axis of the ellipse of second moments of the same; 1 is round. The specimen's own "
        "directions count: compare pictures of one kind of place. `null` likewise.",
    ),
    Measurement(
        *("astigmatism.angle_deg", "°", 0, 180),
        "Direction of the strongest blur, from +x towards +y (down); says nothing where the ratio is near 1.",
    ),
)

_FEATURES = tuple(
    Measurement(f"features.{f.name}", f.unit, f.low, f.high, f.meaning, f.source) for f in FEATURES
)

_DRIFT = tuple(
    Measurement(
        *(f"drift.d{axis}_px", "px", None, None),
        f"Movement of the content along {axis} from the first line to the last, {towards}, against the "
        "reference's own; `null` where a half was not found for certain.",
    )
    for axis, towards in (("x", "+ to the right"), ("y", "+ down"))
)

_SIMILARITY = (
    Measurement(
        *("similarity.rotation_deg", "°", -180, 180),
        "Rotation of the content against the reference, from +x towards +y (down); found up to 1°, on "
        "regular arrays while the frame's edges move by less than a fifth of the pitch. On straight lines "
        "of one direction a shear along them counts as rotation. `null` where the reference was not found "
        "again, where fewer than five patches hold enough structure, or where they do not tell rotation and "
        "scale to 0.0005 (0.03°, 0.05 %).",
    ),
    Measurement("similarity.rotation_sigma_deg", "°", 0, None, "One standard deviation of it."),
    Measurement(
        *("similarity.scale", "1", 0, None),
        "Size of the content over its size in the reference; found from 0.99 to 1.01. `null` likewise.",
    ),
    Measurement("similarity.scale_sigma", "1", 0, None, "One standard deviation of it."),
)

#: No stage's: a network says them of what the plan shows it.
DEPTH = (
    Measurement("depth.median_nm", "nm", 0, MOST_NM, "Median depth below the pattern's top."),
    Measurement("depth.p05_nm", "nm", 0, MOST_NM, "5th percentile."),
    Measurement("depth.p95_nm", "nm", 0, MOST_NM, "95th percentile."),
    Measurement(
        *("depth.level_nm", "nm", 0, MOST_NM),
        "Depth of the floor: where the deeper of two levels is densest; wide walls do not move it. `null` "
        "where there are no two levels, or the deeper one is too small to be one.",
        "Levels are told apart by Otsu 1979, doi:10.1109/TSMC.1979.4310076",
    ),
    Measurement(
        "depth.hole_depth_nm", "nm", 0, MOST_NM, "Floor less top; `null` where one of them is no level."
    ),
    Measurement(
        *("depth.roughness_nm", "nm", 0, None),
        "Standard deviation of the depth on the floor, without the walls; `null` without a floor.",
    ),
    Measurement(
        *("depth.disagreement_nm", "nm", 0, MOST_NM),
        "Mean difference from what the network says of the same picture upside down: how far it contradicts "
        "itself.",
    ),
)

CATALOGUE: dict[str, tuple[Measurement, ...]] = {
    "intensity": _INTENSITY,
    "sharpness": _SHARPNESS,
    "spectrum": _SPECTRUM,
    "scan": _SCAN,
    "drift": _DRIFT,
    "similarity": _SIMILARITY,
    "features": _FEATURES,
}
