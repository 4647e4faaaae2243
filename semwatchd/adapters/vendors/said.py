"""What a maker's text says of its image, and how its numbers are read without trusting them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from semwatchd.core.image import Vendor

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_METRES = {"m": 1.0, "mm": 1e-3, "um": 1e-6, "µm": 1e-6, "μm": 1e-6, "nm": 1e-9, "pm": 1e-12, "å": 1e-10}

#: No electron microscope image lies outside: 1 pm to 10 mm per pixel, 1 V to 1 MV, 1 um to 1 m.
_PIXEL_NM = (1e-3, 1e7)
_HV_KV = (1e-3, 1e3)
_WD_MM = (1e-3, 1e3)


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorFacts:
    """Facts of one image in the maker's words; None where the maker says nothing usable."""

    vendor: Vendor = Vendor.UNKNOWN
    pixel_size_nm: float | None = None
    pixel_size_source: str | None = None
    hv_kv: float | None = None
    wd_mm: float | None = None
    acquired_at: str | None = None
    info_bar_rows: int | None = None  #: None: not said, look for it
    warnings: tuple[str, ...] = ()


def number(text: str | None) -> float | None:
    """First number of a text; None where there is none or it is not finite."""
    found = _NUMBER.search(text[:200]) if text else None
    value = float(found.group()) if found else math.nan
    return value if math.isfinite(value) else None


def metres(text: str | None, unit: str | None = None) -> float | None:
    """Length in metres of a text such as "12.3 nm"; ``unit`` where the text names none."""
    value = number(text)
    if value is None or text is None:
        return None
    tail = _NUMBER.sub("", text[:200], count=1).strip().lower().split()
    scale = _METRES.get(tail[0] if tail else unit or "")
    return None if scale is None else value * scale


def scaled(value: float | None, factor: float) -> float | None:
    """Multiply what may be missing."""
    return None if value is None else value * factor


def pixel_nm(size_m: float | None) -> float | None:
    """Pixel size in nanometres, if it can be one."""
    return _within(scaled(size_m, 1e9), _PIXEL_NM)


def kilovolts(volts: float | None) -> float | None:
    """Landing voltage in kilovolts, if it can be one; some makers write it negative."""
    return _within(None if volts is None else abs(volts) / 1e3, _HV_KV)


def millimetres(size_m: float | None) -> float | None:
    """Working distance in millimetres, if it can be one."""
    return _within(scaled(size_m, 1e3), _WD_MM)


def _within(value: float | None, limits: tuple[float, float]) -> float | None:
    if value is None or not limits[0] <= value <= limits[1]:
        return None
    return float(f"{value:.9g}")  # the last digits are noise of the unit's conversion


def iso_time(text: str, *formats: str) -> str | None:
    """ISO 8601 of a date as the maker writes it; None where it fits no format or no calendar."""
    for layout in formats:
        try:
            moment = datetime.strptime(text.strip()[:40], layout)  # noqa: DTZ007 — tools write local time
        except ValueError:
            continue
        return moment.isoformat(timespec="seconds")
    return None


def ini(text: str) -> dict[str, str]:
    """Read "[Section]" and "key=value" lines into {"Section/key": value}; the first of a kind counts."""
    section = ""
    values: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            values.setdefault(f"{section}/{key.strip()}", value.strip())
        elif line.startswith("["):
            section = line.strip().strip("[]")
    return values


def square_pixel(across_m: float | None, down_m: float | None) -> tuple[str, ...]:
    """Warn where pixels are not square by more than one percent."""
    if not across_m or not down_m or abs(across_m - down_m) <= 0.01 * abs(across_m):
        return ()
    return (
        f"pixel_not_square: {across_m * 1e9:.6g} nm across, {down_m * 1e9:.6g} nm down; across is reported",
    )


def other_width(where: str, columns: float | None, width: int) -> tuple[str, ...]:
    """Warn that the maker describes a picture of another width than the file's."""
    said = f"pixel_size: {where} describes a picture of {columns or 0:.0f} columns, the file has {width}"
    return (f"{said}; its pixel size is left out",)


def unusable(what: str, value: str | None, result: float | None) -> tuple[str, ...]:
    """Warn where the maker gave a value that cannot be right."""
    if result is not None or not value:
        return ()
    return (f"vendor_value: {what} says {value[:40]!r}, which cannot be right; it is left out",)


def first(values: Mapping[str, str], *keys: str) -> str | None:
    """Value of the first key that is there and not empty."""
    return next((values[key] for key in keys if values.get(key)), None)
