"""Zeiss: SmartSEM text in tag 34118 (CZ_SEM), and Fibics Atlas XML in tag 51023."""

from __future__ import annotations

import re

from semwatchd.adapters.vendors.said import (
    VendorFacts,
    iso_time,
    kilovolts,
    metres,
    millimetres,
    number,
    pixel_nm,
    scaled,
    square_pixel,
    unusable,
)
from semwatchd.core.image import Vendor

_CZ_TAG = "34118 CZ_SEM"
_FIBICS_TAG = "51023 Fibics"
_REFERENCE_WIDTH = 1024  # the columns to which SmartSEM's first pixel size refers, whatever was stored
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_CZ_DATE = re.compile(r"(\d{1,2}) ([A-Za-z]{3})\w* (\d{4}) (\d{1,2}:\d{2}:\d{2})")


def read_cz_sem(text: str, width: int) -> VendorFacts:
    """Facts from SmartSEM's lines: numbers first, then pairs of a key line and a "label = value" line."""
    lines = text.splitlines()
    written = lines[3] if len(lines) > 3 else None
    size = pixel_nm(scaled(number(written), _REFERENCE_WIDTH / width))
    source = f"{_CZ_TAG} 4th number x {_REFERENCE_WIDTH} / width"
    shown = pixel_nm(metres(_pair(lines, "AP_IMAGE_PIXEL_SIZE")))
    warnings = unusable(_CZ_TAG, written, size)
    if size is None and shown is not None:
        size, source = shown, f"{_CZ_TAG} AP_IMAGE_PIXEL_SIZE"
    elif size and shown and abs(shown - size) > 0.02 * size:  # the text is rounded to four digits
        warnings += (f"pixel_size: {_CZ_TAG} also says {shown:.6g} nm; {size:.6g} nm is reported",)
    return VendorFacts(
        vendor=Vendor.ZEISS,
        pixel_size_nm=size,
        pixel_size_source=source if size else None,
        hv_kv=_kilovolts(_pair(lines, "AP_ACTUALKV") or _pair(lines, "AP_MANUALKV")),
        wd_mm=millimetres(metres(_pair(lines, "AP_WD"))),
        acquired_at=_date(f"{_pair(lines, 'AP_DATE') or ''} {_pair(lines, 'AP_TIME') or ''}"),
        warnings=warnings,
    )


def _pair(lines: list[str], key: str) -> str | None:
    """Value of the "label = value" or "label :value" line after a key line."""
    try:
        line = lines[lines.index(key) + 1]
    except (ValueError, IndexError):
        return None
    found = re.match(r"[^=:]*[=:](.*)", line[:200])
    return found.group(1).strip() if found else None


def _kilovolts(text: str | None) -> float | None:
    value = number(text)
    return kilovolts(scaled(value, 1e3 if text and "kv" in text.lower() else 1.0))


def _date(text: str) -> str | None:
    found = _CZ_DATE.search(text)
    month = _MONTHS.get(found.group(2).lower()) if found else None
    if not found or not month:
        return None
    return iso_time(f"{found.group(3)}-{month}-{found.group(1)} {found.group(4)}", "%Y-%m-%d %H:%M:%S")


def read_fibics(text: str, width: int) -> VendorFacts:
    """Facts from Atlas' XML, found by element and not parsed, so that no entity is ever expanded."""
    unit = _element(text, "Ux"), _element(text, "Vy")
    across, down = (scaled(abs(value) if (value := number(part)) else None, 1e-6) for part in unit)
    columns = number(_element(text, "Width"))
    size = pixel_nm(across) if columns in {None, width} else None
    warnings = square_pixel(across, down) + unusable(_FIBICS_TAG, unit[0], size)
    return VendorFacts(
        vendor=Vendor.ZEISS,
        pixel_size_nm=size,
        pixel_size_source=f"{_FIBICS_TAG} <Ux>" if size else None,
        acquired_at=iso_time((_element(text, "Date") or "")[:19], "%Y-%m-%dT%H:%M:%S"),
        warnings=warnings,
    )


def _element(text: str, name: str) -> str | None:
    found = re.search(rf"<{name}(?: [^<>]{{0,80}})?>([^<]{{0,80}})<", text)
    return found.group(1) if found else None
