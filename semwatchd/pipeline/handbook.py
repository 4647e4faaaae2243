"""The reference page of the measurements, written from the catalogue. ``make docs`` stores it."""

from __future__ import annotations

from semwatchd.pipeline.catalogue import CATALOGUE, DEPTH, Measurement

INTRODUCTION = """\
# Measurements

Measured on the picture without its info bar, in the file's own grey levels (g.l.): nothing is rescaled. What
cannot be measured is `null`, and a line in `warnings` says why, unless the table does. Why these and not
others: [measuring-what-matters.md](../explanation/measuring-what-matters.md). The tables are written from the
code.
"""

ABOUT = {
    "drift": """\
Only where a plan names the stage and has a reference. The halves of the picture are registered on their own.
""",
    "features": """\
A vector to learn from. Only where a plan names the stage, or with `analyze --features`. Nothing in it depends
on gain or offset. Tones, patterns and unevenness are taken at a quarter of the resolution, where there is
less noise.
""",
    "scan": """\
Each line against the mean of its two neighbours. x runs along the lines.
""",
    "similarity": """\
Only where a plan names the stage and has a reference. Nine patches of the picture are found in the reference
on their own; weighted least squares give shift, rotation and scale together. The uncertainty is that of the
patches, or what their disagreement makes of it where that is more.
""",
    "spectrum": """\
Power spectrum by Welch's method on Hann-windowed tiles of up to 256 px, which cover a frame of 512 px; of a
larger one corners and middle are taken. Welch 1967, doi:10.1109/TAU.1967.1161901.
""",
}

ABOUT_DEPTH = """\
Told by a network, where a plan asks for it, over all parts of the picture that the plan names; nm below the
pattern's top. With a warning `out of domain` they are a guess: [map-depth.md](../how-to/map-depth.md).
"""

REGISTRATION = """\
## Stage `registration`

Not among the measurements, but beside them as `registration`; only with a reference, or an earlier image
of the lot.

| Name | Unit | Range | What it is |
|---|---|---|---|
| `dx_px`, `dy_px` | px | up to about half the frame | Displacement of the content from the reference \
to this image; +x right, +y down. |
| `sigma_x_px`, `sigma_y_px` | px | 0 or more | One standard deviation, from the scatter of the phases \
about the fit; `null` by plain \
phase correlation. |
| `quality` | 1 | -1 to 1 | Normalised cross-correlation of the overlap. |
| `status` | | `ok`, `weak_axis`, `failed` | How far it may be trusted; \
see [states.md](states.md#registration). |

Sources: Padfield 2012, doi:10.1109/TIP.2011.2181402 (overlap-normalised correlation); Knapp & Carter 1976,
doi:10.1109/TASSP.1976.1162830 (weights from coherence); Guizar-Sicairos et al. 2008, doi:10.1364/OL.33.000156
(refinement by matrix products).
"""

LIMITS = """\
## Limits

- Pictures smaller than 16 px along one axis are not measured.
- Pixels that are no finite number are replaced and counted in a warning.
- Grey levels are the detector's, so levels, sharpness and noise of different tools or settings do not
  compare. Ratios (`snr.*`, `*_ratio`), frequencies and lengths do.
"""


def measurements_page() -> str:
    """Markdown, as it stands in ``docs/reference/measurements.md``."""
    stages = (_chapter(f"Stage `{name}`", ABOUT.get(name), which) for name, which in CATALOGUE.items())
    depth = _chapter("Depth", ABOUT_DEPTH, DEPTH)
    return "\n".join((INTRODUCTION, *stages, REGISTRATION, depth, LIMITS))


def _chapter(title: str, about: str | None, measured: tuple[Measurement, ...]) -> str:
    paragraph = f"{about}\n" if about else ""
    rows = "\n".join(_row(measurement) for measurement in measured)
    return f"## {title}\n\n{paragraph}| Name | Unit | Range | What it is |\n|---|---|---|---|\n{rows}\n"


def _row(measurement: Measurement) -> str:
    source = f" {measurement.source}." if measurement.source else ""
    cells = (f"`{measurement.name}`", measurement.unit, _range(measurement), measurement.meaning + source)
    return f"| {' | '.join(cells)} |"


def _range(measurement: Measurement) -> str:
    match measurement.low, measurement.high:
        case None, None:
            return ""
        case low, None:
            return f"{low} or more"
        case low, high:
            return f"{low} to {high}"
