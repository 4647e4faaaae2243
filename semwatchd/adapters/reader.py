"""Bytes to a measured picture's raw material: format by content, grey samples, facts, info bar off."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from semwatchd.adapters.picture import Decoded
from semwatchd.adapters.raster import decode_bmp, decode_jpeg, decode_png
from semwatchd.adapters.raster_layout import BMP_MAGIC, JPEG_MAGIC, PNG_MAGIC
from semwatchd.adapters.tiff import decode_tiff
from semwatchd.adapters.tiff_parse import TIFF_MAGIC
from semwatchd.adapters.vendors.recognise import vendor_facts
from semwatchd.core.errors import DataError
from semwatchd.core.image import ImageFacts, SemImage
from semwatchd.core.ports import SourceFile
from semwatchd.imaging.gray import as_grey_samples, fill_non_finite
from semwatchd.imaging.infobar import find_info_bar

if TYPE_CHECKING:
    from semwatchd.core.image import Pixels

DEFAULT_MAX_PIXELS = 100_000_000


def decode(source: SourceFile, max_pixels: int = DEFAULT_MAX_PIXELS) -> SemImage:
    """Decode a file whatever its name says.

    Parameters
    ----------
    max_pixels
        Limit of samples in the picture, judged from the header before anything is allocated.

    Raises
    ------
    DataError
        And nothing else, for whatever the bytes may be.
    MemoryError
        Where this process may not have the room; the next try may fare better.
    """
    try:
        with np.errstate(all="ignore"):  # what is not finite is counted and told
            return _sem_image(source, _format_of(source.data)(source.data, max_pixels))
    except (DataError, MemoryError):
        raise
    except Exception as error:  # the edge to codecs, which raise TypeError, IndexError, struct.error and more
        what = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise DataError(f"the pixels cannot be decoded: {what[0][:200]}") from error


def _format_of(data: bytes) -> Callable[[bytes, int], Decoded]:
    if data[:4] in TIFF_MAGIC:
        return decode_tiff
    if data.startswith(PNG_MAGIC):
        return decode_png
    if data.startswith(JPEG_MAGIC):
        return decode_jpeg
    if data.startswith(BMP_MAGIC):
        return decode_bmp
    if not data:
        raise DataError("the file is empty")
    raise DataError(f"the file begins with {data[:8]!r}: not TIFF, PNG, BMP or JPEG")


def _sem_image(source: SourceFile, picture: Decoded) -> SemImage:
    height, width = picture.samples.shape
    said = vendor_facts(picture, source.path)
    pixels, missing = fill_non_finite(as_grey_samples(picture.samples))
    bar_rows = said.info_bar_rows if said.info_bar_rows is not None else find_info_bar(pixels)
    facts = ImageFacts(
        width=width,
        height=height,
        dtype=picture.dtype,
        pages=picture.pages,
        compression=picture.compression,
        sha256=source.sha256,
        vendor=said.vendor,
        pixel_size_nm=said.pixel_size_nm,
        pixel_size_source=said.pixel_size_source,
        info_bar_rows=bar_rows,
        hv_kv=said.hv_kv,
        wd_mm=said.wd_mm,
        acquired_at=said.acquired_at,
    )
    return SemImage(
        pixels=pixels[: height - bar_rows],
        facts=facts,
        warnings=(*picture.warnings, *said.warnings, *_doubts(picture, pixels, bar_rows, missing)),
    )


def _doubts(picture: Decoded, pixels: Pixels, bar_rows: int, missing: int) -> tuple[str, ...]:
    warnings: tuple[str, ...] = ()
    if missing:
        warnings += (
            f"not_finite: {missing} pixels hold no finite number; the lowest value stands in for them",
        )
    bar_bytes = bar_rows * pixels.nbytes // pixels.shape[0]  # a black bar ends in zeros by right
    if picture.zero_tail > bar_bytes and pixels.min() != pixels.max():
        warnings += (f"suspect_partial: the last {picture.zero_tail} bytes of the pixels are all zero",)
    return warnings
