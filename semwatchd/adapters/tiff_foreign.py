"""Pages for libtiff and tifffile. They get the page as a file written anew, never the file itself.

So no vendor text, no second directory and no loop reaches them, and what they allocate is known before.
"""

from __future__ import annotations

import io
import logging
import math

import imagecodecs
import tifffile

from semwatchd.adapters.stream_size import stream_size
from semwatchd.adapters.tiff_data import COMPRESSIONS, PICTURES, PageData, require_full
from semwatchd.adapters.tiff_rebuild import rebuilt
from semwatchd.core.errors import DataError
from semwatchd.imaging.gray import Samples

logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it would log is raised, once and in words


def by_libtiff(source: PageData) -> Samples:
    """Decode grey integers."""
    if source.page.compression == 1:
        require_full(source)
    samples: Samples = imagecodecs.tiff_decode(rebuilt(source), index=0)
    return samples


def by_tifffile(source: PageData) -> Samples:
    """Decode whatever else tifffile knows: tiles, planes, packed bits, JPEG and its heirs."""
    page = source.page
    if page.compression in PICTURES:
        for index in range(page.segments):
            _require_same_size(source, index)
    elif page.compression == 1 and page.photometric != 6:
        require_full(source)
    with tifffile.TiffFile(io.BytesIO(rebuilt(source))) as file:
        samples: Samples = file.pages[0].asarray(maxworkers=1)
    return samples.reshape(source.shape) if samples.size == math.prod(source.shape) else samples


def _require_same_size(source: PageData, index: int) -> None:
    """Refuse a picture inside a segment that would decode to another size than the segment has."""
    page, offset, count = source.page, source.offsets[index], source.counts[index]
    columns, rows = stream_size(page.compression, source.data[offset : offset + count])
    full = -(-page.height // page.segment_height)
    top = index // page.across % full * page.segment_height
    least = page.segment_height if page.tiled else min(page.segment_height, page.height - top)
    if columns != page.segment_width or not least <= rows <= page.segment_height:
        raise DataError(
            f"the {COMPRESSIONS[page.compression]} picture in {page.word} {index + 1} of {page.segments} is "
            f"{columns} x {rows} pixels, the {page.word} is {page.segment_width} x {least}"
        )
