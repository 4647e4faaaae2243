"""ASPEX (Perception): "Key=value unit" lines in the ImageDescription."""

from __future__ import annotations

from semwatchd.adapters.vendors.said import (
    VendorFacts,
    ini,
    iso_time,
    kilovolts,
    metres,
    millimetres,
    number,
    pixel_nm,
    scaled,
    unusable,
)
from semwatchd.core.image import Vendor

_WHERE = "270 ImageDescription"


def read_aspex(text: str) -> VendorFacts:
    """Facts from the description."""
    values = {key.removeprefix("/").lower(): value for key, value in ini(text).items()}
    written = values.get("pixel_size")
    size = pixel_nm(metres(written, "um"))
    volts = values.get("accelerating_voltage")
    date = f"{values.get('analysis_date', '')} {values.get('analysis_time', '')}"
    return VendorFacts(
        vendor=Vendor.ASPEX,
        pixel_size_nm=size,
        pixel_size_source=f"{_WHERE} Pixel_Size" if size else None,
        hv_kv=kilovolts(scaled(number(volts), 1e3)),
        wd_mm=millimetres(metres(values.get("working_distance"), "mm")),
        acquired_at=iso_time(date, "%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %H:%M:%S"),
        warnings=unusable(_WHERE, written, size),
    )
