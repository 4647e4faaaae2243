"""JEOL: a .txt beside the image with "$KEY value" lines."""

from __future__ import annotations

from semwatchd.adapters.vendors.said import (
    VendorFacts,
    first,
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


def read_jeol(text: str, width: int, height: int) -> VendorFacts:
    """Facts from the sidecar. Its pixel size holds for the scan, so it counts only at the scan's width."""
    values = _values(text)
    columns, rows = _scan_size(values)
    size, source = _pixel_size(values)
    warnings = unusable("sidecar .txt", values.get("SM_MICRON_MARKER"), size)
    if size is not None and columns not in {None, width}:
        size, source, warnings = None, None, other_width("sidecar .txt", columns, width)
    date = f"{values.get('CM_DATE', '')} {values.get('CM_TIME', '')}"
    return VendorFacts(
        vendor=Vendor.JEOL,
        pixel_size_nm=size,
        pixel_size_source=source,
        hv_kv=kilovolts(scaled(number(values.get("CM_ACCEL_VOLT")), 1e3)),
        wd_mm=millimetres(scaled(number(values.get("SM_WD")), 1e-3)),
        acquired_at=iso_time(date, "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %I:%M:%S %p", "%Y-%m-%d %H:%M:%S"),
        info_bar_rows=_bar_rows(columns, rows, width, height),
        warnings=warnings,
    )


def _values(text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        if key.startswith("$"):
            values.setdefault(key.lstrip("$"), value.strip())
    return values


def _scan_size(values: dict[str, str]) -> tuple[int | None, int | None]:
    parts = (first(values, "CM_FULL_SIZE", "CM_IMAGE_SIZE") or "").split()
    if len(parts) != 2 or not all(part.isdecimal() and len(part) < 7 for part in parts):
        return None, None
    return int(parts[0]) or None, int(parts[1]) or None


def _pixel_size(values: dict[str, str]) -> tuple[float | None, str | None]:
    """Take the stated pixel size of newer tools, else the micron bar's length over its pixels."""
    stated = pixel_nm(metres(values.get("CM_PIXEL_SIZE")))
    if stated is not None:
        return stated, "sidecar .txt $CM_PIXEL_SIZE"
    bar, marker = number(values.get("SM_MICRON_BAR")), metres(values.get("SM_MICRON_MARKER"))
    size = pixel_nm(marker / bar) if marker and bar and bar > 0 else None
    return size, "sidecar .txt $$SM_MICRON_MARKER / $$SM_MICRON_BAR" if size else None


def _bar_rows(columns: int | None, rows: int | None, width: int, height: int) -> int | None:
    """Rows below the scan, also where the whole picture was reduced; None where sizes do not fit."""
    if columns is None or rows is None:
        return None
    scan_rows = round(rows * width / columns)
    return height - scan_rows if 0 < scan_rows <= height < 2 * scan_rows else None
