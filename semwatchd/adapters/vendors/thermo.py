"""Thermo Fisher (FEI): INI text in tag 34682 or 34680; lengths in metres, voltages in volts."""

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


def read_thermo(text: str, tag: str, width: int, height: int) -> VendorFacts:
    """Facts from the INI text of one image; ``tag`` names where it was found."""
    values = ini(text)
    beam = values.get("Beam/Beam", "EBeam")
    scan = values.get("Beam/Scan", "EScan")
    written = first(values, "Scan/PixelWidth", f"{scan}/PixelWidth")
    across = number(written)
    size = pixel_nm(across)
    date = f"{values.get('User/Date', '')} {values.get('User/Time', '')}"
    return VendorFacts(
        vendor=Vendor.THERMO,
        pixel_size_nm=size,
        pixel_size_source=f"{tag} [Scan] PixelWidth" if size else None,
        hv_kv=kilovolts(number(first(values, "Beam/HV", f"{beam}/HV", "EBeam/HV"))),
        wd_mm=millimetres(number(first(values, f"{beam}/WD", "EBeam/WD", "Stage/WorkingDistance"))),
        acquired_at=iso_time(date, "%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S")
        or iso_time(values.get("PrivateFei/TimeOfCreation", ""), "%d.%m.%Y %H:%M:%S"),
        info_bar_rows=_bar_rows(values, width, height),
        warnings=square_pixel(across, number(values.get("Scan/PixelHeight"))) + unusable(tag, written, size),
    )


def _bar_rows(values: dict[str, str], width: int, height: int) -> int | None:
    """Rows below the scanned ones; None where the file was cropped or scaled after the scan."""
    columns, rows = number(values.get("Image/ResolutionX")), number(values.get("Image/ResolutionY"))
    if columns != width or rows is None or not 0 < rows <= height:
        return None
    return height - int(rows)
