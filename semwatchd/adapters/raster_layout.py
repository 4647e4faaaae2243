"""What the headers of PNG, BMP and JPEG say, before a pixel is decoded. Standard library only."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from semwatchd.core.errors import DataError

#: Up to ``size`` bytes from ``offset``; shorter at the end of the file.
Fetch = Callable[[int, int], bytes]

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
JPEG_MAGIC = b"\xff\xd8\xff"
BMP_MAGIC = b"BM"

TAIL = 1 << 16  # bytes searched for an end mark; tools append a few padding bytes at most
MAX_JPEG_SEGMENTS = 4096  # a real header has some tens
CUT_SHORT = "the copy was cut short; send it again"

_PNG_END = b"IEND\xaeB`\x82"
_JPEG_END = b"\xff\xd9"
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
_BMP_BITS = frozenset({1, 4, 8, 24, 32})


class IncompleteError(DataError):
    """The file ends before something its header promises; it may still be growing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RasterHeader:
    """Size of the picture, and where its data begin."""

    width: int
    height: int
    samples: int  #: channels per pixel
    bits: int  #: per sample
    data_offset: int = 0  #: first byte of pixels (BMP) or of the scan (JPEG)


@dataclass(frozen=True, slots=True, kw_only=True)
class BmpHeader:
    """An uncompressed Windows bitmap."""

    width: int
    height: int
    top_down: bool
    bits: int  #: per pixel: 1, 4, 8, 24 or 32
    data_offset: int
    palette_offset: int
    palette_size: int  #: entries of four bytes, blue first

    @property
    def stride(self) -> int:
        """Bytes of one row, padded to four."""
        return (self.width * self.bits + 31) // 32 * 4

    @property
    def end(self) -> int:
        """First byte after the pixels."""
        return self.data_offset + self.stride * self.height


def png_header(fetch: Fetch) -> RasterHeader:
    """Read the IHDR chunk."""
    head = fetch(0, 33)
    if len(head) < 33:
        raise IncompleteError(f"the PNG ends inside its header after {len(head)} bytes: {CUT_SHORT}")
    width, height, bits, colour = struct.unpack_from(">IIBB", head, 16)
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour)
    if head[12:16] != b"IHDR" or samples is None or not width or not height:
        raise DataError("the PNG header is damaged: no valid size and colour type")
    return RasterHeader(width=width, height=height, samples=samples, bits=bits)


def require_png_end(fetch: Fetch, size: int) -> None:
    """Raise IncompleteError unless the file ends with an IEND chunk."""
    if _PNG_END not in fetch(max(0, size - TAIL), TAIL):
        raise IncompleteError(f"the PNG has no end mark (IEND) in its {size} bytes: {CUT_SHORT}")


def jpeg_header(fetch: Fetch) -> RasterHeader:
    """Walk the markers of a JPEG stream up to its first scan."""
    position, frame = 2, None
    for _ in range(MAX_JPEG_SEGMENTS):
        head = fetch(position, 10)
        if len(head) < 4:
            raise IncompleteError(f"the JPEG stream ends inside its header: {CUT_SHORT}")
        if head[0] != 0xFF:
            raise DataError(f"the JPEG stream is damaged: no marker at byte {position}")
        marker, length = head[1], int.from_bytes(head[2:4], "big")
        if marker == 0xFF or marker in _JPEG_BARE:
            position += 1 if marker == 0xFF else 2
            continue
        if marker in _JPEG_FRAMES and len(head) == 10:
            frame = (*struct.unpack_from(">BHHB", head, 4),)
        if marker == 0xDA and frame:
            bits, height, width, samples = frame
            if not width or not height or not samples:
                raise DataError("the JPEG stream declares a picture of zero size")
            return RasterHeader(width=width, height=height, samples=samples, bits=bits, data_offset=position)
        if marker in {0xD9, 0xDA} or length < 2:
            break
        position += 2 + length
    raise DataError("the JPEG stream holds no picture: no frame header before its first scan")


def require_jpeg_end(fetch: Fetch, size: int, scan_offset: int) -> None:
    """Raise IncompleteError unless an end marker follows the scan."""
    tail = max(scan_offset, size - TAIL)
    if _JPEG_END not in fetch(tail, size - tail):
        raise IncompleteError(f"the JPEG stream has no end marker in its {size} bytes: {CUT_SHORT}")


def bmp_header(fetch: Fetch, size: int) -> BmpHeader:
    """Read the file and info headers, and check that the pixels lie inside the file."""
    head = fetch(0, 54)
    if len(head) < 54:
        raise IncompleteError(f"the BMP ends inside its header after {len(head)} bytes: {CUT_SHORT}")
    offset, info, width, height, _, bits, compression = struct.unpack_from("<IIiiHHI", head, 10)
    if info < 40 or compression not in {0, 3} or bits not in _BMP_BITS:
        raise DataError(f"a BMP of {bits} bits per pixel and compression {compression} is not read here")
    if width <= 0 or height == 0 or offset < 14 + info:
        raise DataError(f"the BMP header is damaged: size {width} x {height}, pixels at byte {offset}")
    colours = struct.unpack_from("<I", head, 46)[0] or 1 << bits
    palette = min(colours, 1 << bits, (offset - 14 - info) // 4) if bits <= 8 else 0
    header = BmpHeader(
        width=width,
        height=abs(height),
        top_down=height < 0,
        bits=bits,
        data_offset=offset,
        palette_offset=14 + info,
        palette_size=palette,
    )
    if header.end > size:
        raise IncompleteError(f"the BMP needs {header.end} bytes and holds {size}: {CUT_SHORT}")
    return header
