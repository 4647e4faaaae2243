"""The bytes of one TIFF page, with every segment proved to lie inside the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from semwatchd.adapters.tiff_page import Page
from semwatchd.adapters.tiff_parse import Tag, TiffFile
from semwatchd.core.errors import DataError

#: Names as operators know them. JPEG XL is not among them: the frames and channels of a stream cannot be
#: counted before it is decoded, so neither can its memory.
COMPRESSIONS = {
    1: "none",
    2: "ccittrle",
    3: "ccitt_t4",
    4: "ccitt_t6",
    5: "LZW",
    6: "ojpeg",
    7: "JPEG",
    8: "deflate",
    32773: "PackBits",
    32946: "deflate",
    33003: "jpeg2000",
    33005: "jpeg2000",
    34712: "jpeg2000",
    34887: "lerc",
    34925: "lzma",
    34926: "zstd",
    34927: "webp",
    34933: "png",
    34934: "png",
    50000: "zstd",
    50001: "webp",
}

#: Each segment is a picture with a header of its own, which has to be asked how large it is.
PICTURES = frozenset({6, 7, 33003, 33005, 34712, 34887, 34927, 34933, 34934, 50001})


@dataclass(frozen=True, slots=True, kw_only=True)
class PageData:
    """One page with its proved segments."""

    data: bytes  #: of the whole file
    file: TiffFile
    directory: dict[int, Tag]
    page: Page
    offsets: Sequence[int]
    counts: Sequence[int]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the decoded samples: (rows, columns), with the channels first or last where there are more."""
        page = self.page
        if page.samples == 1:
            return page.height, page.width
        if page.planar:
            return page.samples, page.height, page.width
        return page.height, page.width, page.samples

    @property
    def is_plain(self) -> bool:
        """Whole-byte samples in strips, in their usual bit order."""
        page = self.page
        return not page.tiled and page.fill_order != 2 and page.bits in {8, 16, 32, 64}

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Of plain samples, in the file's byte order."""
        kind = {2: "i", 3: "f"}.get(self.page.sample_format, "u")
        if kind == "f" and self.page.bits == 8:
            raise DataError("floating-point samples of 8 bits are not read here")
        return np.dtype(f"{self.file.order}{kind}{self.page.bits // 8}")


def require_full(source: PageData) -> list[int]:
    """Bytes each uncompressed segment needs; DataError where the table gives one less."""
    wanted = source.page.all_segment_bytes
    for index, (found, needed) in enumerate(zip(source.counts, wanted, strict=True)):
        if found < needed:
            raise_short(source, index, found)
    return wanted


def raise_short(source: PageData, index: int, found: int) -> NoReturn:
    """Say which segment is too short, and by how much."""
    page = source.page
    raise DataError(
        f"{page.word} {index + 1} of {page.segments} holds {found} bytes "
        f"where {page.all_segment_bytes[index]} are needed"
    )
