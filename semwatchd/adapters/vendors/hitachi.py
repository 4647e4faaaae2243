"""Hitachi: "[SemImageFile]" lines in a .txt beside the image, or in the Windows tags of newer tools."""

from __future__ import annotations

from semwatchd.adapters.vendors.said import (
    VendorFacts,
    iso_time,
    kilovolts,
    metres,
    millimetres,
    number,
    other_width,
    pixel_nm,
    scaled,
    unusable,
)
from semwatchd.core.image import Vendor


def read_hitachi(text: str, where: str, width: int) -> VendorFacts:
    """Facts from the lines; ``where`` names the sidecar or tag. PixelSize is in nanometres."""
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    written = values.get("PixelSize")
    size = pixel_nm(metres(written, "nm"))
    warnings = unusable(where, written, size)
    columns = number(values.get("DataSize"))
    if size is not None and columns not in {None, width}:
        size, warnings = None, other_width(where, columns, width)
    date = f"{values.get('Date', '')} {values.get('Time', '')}"
    return VendorFacts(
        vendor=Vendor.HITACHI,
        pixel_size_nm=size,
        pixel_size_source=f"{where} PixelSize" if size else None,
        hv_kv=_volts(values.get("AcceleratingVoltage")),
        wd_mm=millimetres(metres(values.get("WorkingDistance"), "um")),
        acquired_at=iso_time(
            date, "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%Y/%m/%d %H:%M:%S", "%Y-%m-%d %H:%M:%S"
        ),
        warnings=warnings,
    )


def _volts(text: str | None) -> float | None:
    return kilovolts(scaled(number(text), 1e3 if text and "kv" in text.lower() else 1.0))
