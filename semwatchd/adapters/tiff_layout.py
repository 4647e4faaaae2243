"""Whether an image file on disk is whole, from headers, tables and tail alone. Standard library only.

The supervisor, which holds no pixels, asks before it makes a job of a file. The decoder uses the same
parser, so both judge a file by the same sentences.
"""

from __future__ import annotations

import os

from semwatchd.adapters.raster_layout import (
    BMP_MAGIC,
    JPEG_MAGIC,
    PNG_MAGIC,
    Fetch,
    IncompleteError,
    bmp_header,
    jpeg_header,
    png_header,
    require_jpeg_end,
    require_png_end,
)
from semwatchd.adapters.tiff_page import raw_pixels_end
from semwatchd.adapters.tiff_parse import TIFF_MAGIC, TiffFile, parse, require_values_inside
from semwatchd.core.errors import DataError
from semwatchd.core.ports import Completeness, CompletenessKind

ZERO_TAIL_BYTES = 4096  # the smallest block a file system preallocates

#: A black info bar ends in zeros too, but so do most of its bytes above: then nothing but bar can be missing.
_LONGEST_MARGIN = 1 << 18  # bytes; the blank rows below the last text of a bar
_ABOVE_MARGIN = 1 << 14  # bytes; some rows of text
_BLACK_SHARE = 0.6  # of those bytes; 8-bit data kept in 16 bits are half zero, a text row on black is more


def completeness(path: str) -> Completeness:
    """Judge a file by headers, tables and tail alone; reads some kilobytes of it.

    Raises
    ------
    OSError
        Where the file cannot be opened or read; nothing else.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        zero_tail = _judge(lambda offset, length: os.pread(descriptor, length, offset), size)
    except IncompleteError as error:
        return Completeness(CompletenessKind.TRUNCATED, str(error))
    except DataError as error:
        return Completeness(CompletenessKind.BROKEN, str(error))
    finally:
        os.close(descriptor)
    if zero_tail:
        return Completeness(
            CompletenessKind.ZERO_TAIL, f"the last {ZERO_TAIL_BYTES} bytes of its pixels are all zero"
        )
    return Completeness(CompletenessKind.COMPLETE)


def _judge(fetch: Fetch, size: int) -> bool:
    """Raise where the container is not whole; else say whether its raw pixels end in zeros."""
    magic = fetch(0, 8)
    if not magic.strip(b"\0"):
        raise IncompleteError(
            "the file is empty" if not magic else "the file begins with zeros: not written yet"
        )
    if magic[:4] in TIFF_MAGIC:
        return _judge_tiff(parse(fetch, size))
    if magic == PNG_MAGIC:
        png_header(fetch)
        require_png_end(fetch, size)
    elif magic[:3] == JPEG_MAGIC:
        require_jpeg_end(fetch, size, jpeg_header(fetch).data_offset)
    elif magic[:2] == BMP_MAGIC:
        return _zeros_before(fetch, bmp_header(fetch, size).end)
    elif any(known.startswith(magic) for known in (*TIFF_MAGIC, PNG_MAGIC, JPEG_MAGIC, BMP_MAGIC)):
        raise IncompleteError(f"the file ends after {len(magic)} bytes, inside its first mark")
    else:
        raise DataError(f"the file begins with {magic!r}: not TIFF, PNG, BMP or JPEG")
    return False


def _judge_tiff(file: TiffFile) -> bool:
    last = raw_pixels_end(file, file.directories)
    require_values_inside(file)
    return _zeros_before(file.fetch, last)


def _zeros_before(fetch: Fetch, end: int) -> bool:
    """Whether raw pixels end in zeros that a black info bar does not explain."""
    if end <= ZERO_TAIL_BYTES or fetch(end - ZERO_TAIL_BYTES, ZERO_TAIL_BYTES).strip(b"\0"):
        return False
    start = max(0, end - _LONGEST_MARGIN)
    above = fetch(start, end - start).rstrip(b"\0")[-_ABOVE_MARGIN:]
    return above.count(0) <= _BLACK_SHARE * len(above)
