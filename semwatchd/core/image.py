"""What an image is, once it has been read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]


class Vendor(StrEnum):
    """Maker of the microscope, as far as the bytes or the sidecar say so."""

    THERMO = "thermo"
    ZEISS = "zeiss"
    JEOL = "jeol"
    HITACHI = "hitachi"
    TESCAN = "tescan"
    ASPEX = "aspex"
    NORAN = "noran"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What the file says of itself. Absent facts are None, never invented."""

    width: int  #: columns of the file's picture, info bar included
    height: int  #: rows of the file's picture, info bar included
    dtype: str  #: numpy name of the file's samples, e.g. "uint16"
    pages: int  #: first-class pages; thumbnails and masks do not count
    compression: str | None  #: "none", "LZW", "PackBits", "JPEG", "deflate", "zstd", ...
    sha256: str  #: of the file's bytes, hexadecimal
    vendor: Vendor = Vendor.UNKNOWN
    pixel_size_nm: float | None = None
    pixel_size_source: str | None = None  #: the tag or sidecar line it was taken from
    info_bar_rows: int = 0  #: rows cut off at the bottom
    hv_kv: float | None = None  #: landing voltage
    wd_mm: float | None = None  #: working distance
    acquired_at: str | None = None  #: ISO 8601 in the tool's local time, as written by the tool


@dataclass(frozen=True, slots=True, kw_only=True)
class SemImage:
    """A grey picture without its info bar.

    ``pixels`` is two-dimensional, C-contiguous and native ``uint8``, ``uint16`` or ``float32``.
    """

    pixels: Pixels
    facts: ImageFacts
    warnings: tuple[str, ...] = ()


class RegistrationStatus(StrEnum):
    """How far a shift may be trusted."""

    OK = "ok"
    WEAK_AXIS = "weak_axis"  #: one axis carries too little structure to be located
    FAILED = "failed"  #: the independent check did not confirm any shift


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Displacement of the picture's content from the reference to this image.

    +x is to the right, +y is down; ``sigma_*`` is one standard deviation, None where the method gives none.
    All four are None when the registration failed.
    """

    reference: str  #: path of the reference image
    dx_px: float | None
    dy_px: float | None
    sigma_x_px: float | None
    sigma_y_px: float | None
    quality: float | None  #: normalised cross-correlation of the overlap, -1..1
    status: RegistrationStatus
