"""TESCAN: "[MAIN]" and "[SEM]" lines in tag 50431 or in a .hdr beside the image; metres and volts."""

from __future__ import annotations

from semwatchd.adapters.vendors.said import (
    VendorFacts,
    first,
    ini,
    iso_time,
    kilovolts,
    millimetres,
    number,
    pixel_nm,
    square_pixel,
    unusable,
)
from semwatchd.core.image import Vendor

#: How the lines begin; in the tag they follow a binary head, and some tools leave the section's name out.
MARKS = ("[MAIN]", "AccFrames=")


def read_tescan(text: str, where: str, height: int) -> VendorFacts:
    """Facts from the lines after the first mark; ``where`` names tag or sidecar."""
    start = min((at for mark in MARKS if (at := text.find(mark)) >= 0), default=0)
    values = {key.removeprefix("MAIN/").removeprefix("/"): value for key, value in ini(text[start:]).items()}
    written = values.get("PixelSizeX")
    across = number(written)
    size = pixel_nm(across)
    date = f"{values.get('Date', '')} {values.get('Time', '')}"
    return VendorFacts(
        vendor=Vendor.TESCAN,
        pixel_size_nm=size,
        pixel_size_source=f"{where} [MAIN] PixelSizeX" if size else None,
        hv_kv=kilovolts(number(first(values, "SEM/HV", "HV", "FIB/HV"))),
        wd_mm=millimetres(number(first(values, "SEM/WD", "WD", "FIB/WD"))),
        acquired_at=iso_time(date, "%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S"),
        info_bar_rows=_strip_rows(values, height),
        warnings=square_pixel(across, number(values.get("PixelSizeY"))) + unusable(where, written, size),
    )


def _strip_rows(values: dict[str, str], height: int) -> int | None:
    rows = number(values.get("ImageStripSize"))
    return int(rows) if rows is not None and 0 <= rows < height / 2 else None
