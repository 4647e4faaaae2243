"""How steady beam and stage were while the picture was scanned."""

from __future__ import annotations

from semwatchd.imaging.differences import squared_differences
from semwatchd.imaging.noise import noise_variance
from semwatchd.imaging.scanlines import Vibration, charging, jitter_px, line_shifts, thinned, vibration
from semwatchd.pipeline.stage import Measured, Picture

SHAKING_PX = 0.3  #: less moves no edge by what a metrologist would notice
NO_CHANCE = 50.0  #: prominence of a vibration; chance makes 15, and a fine regular pattern more

#: Null where lines cannot be located, which is no fault.
LINES = frozenset(
    {
        "scan.jitter_px",
        "scan.vibration_px",
        "scan.vibration_cycles_per_line",
        "scan.vibration_prominence",
    }
)


def measure_scan(picture: Picture) -> Measured:
    """Jitter, vibration, banding and charging, by name."""
    thin = thinned(picture.image.pixels)
    lines = line_shifts(thin)
    shaking = vibration(lines) if lines else None
    brightness = charging(thin, noise_variance(picture.of(squared_differences)).along_y)
    values = {
        "scan.jitter_px": jitter_px(lines) if lines else None,
        "scan.vibration_px": shaking.amplitude_px if shaking else None,
        "scan.vibration_cycles_per_line": shaking.cycles_per_line if shaking else None,
        "scan.vibration_prominence": shaking.prominence if shaking else None,
        "scan.banding": brightness.banding,
        "charging.slope": brightness.slope,
    }
    return Measured(values=values, warnings=_scan_warnings(shaking), expected_nulls=LINES)


def _scan_warnings(shaking: Vibration | None) -> tuple[str, ...]:
    if shaking is None or shaking.amplitude_px < SHAKING_PX or shaking.prominence < NO_CHANCE:
        return ()
    period = 1 / shaking.cycles_per_line
    what = f"the lines shake by {shaking.amplitude_px:.2g} px, once in {period:.3g} lines"
    return (f"{what}: look for vibration of the floor or the pumps, or for a mains field",)
