"""How large the picture inside a TIFF segment says it is, so that a bomb is known before it is decoded."""

from __future__ import annotations

import struct

from semwatchd.adapters.raster_layout import jpeg_header, png_header, require_jpeg_end
from semwatchd.core.errors import DataError

_MAX_CHANNELS = 4


def stream_size(compression: int, stream: bytes) -> tuple[int, int]:
    """Columns and rows of the picture in one segment.

    Raises
    ------
    DataError
        Where the stream has no header of its kind.
    """
    if compression in {6, 7}:
        return _jpeg(stream)
    if compression in {33003, 33005, 34712}:
        return _jpeg2000(stream)
    if compression in {34933, 34934}:
        header = png_header(lambda offset, length: stream[offset : offset + length])
        return header.width, header.height
    if compression in {34927, 50001}:
        return _webp(stream)
    return _lerc(stream)


def _jpeg(stream: bytes) -> tuple[int, int]:
    if stream[:2] != b"\xff\xd8":
        raise DataError("the JPEG stream is damaged: it has no start marker")

    def fetch(offset: int, length: int) -> bytes:
        return stream[offset : offset + length]

    header = jpeg_header(fetch)
    require_jpeg_end(fetch, len(stream), header.data_offset)
    return header.width, header.height


def _jpeg2000(stream: bytes) -> tuple[int, int]:
    start = stream.find(b"\xff\x4f\xff\x51", 0, 4096)  # start of codestream, then image size
    if start < 0 or len(stream) < start + 42:
        raise DataError("the JPEG 2000 stream has no size marker")
    right, bottom, left, top = struct.unpack_from(">IIII", stream, start + 8)
    _require_few(struct.unpack_from(">H", stream, start + 40)[0])
    return right - left, bottom - top


def _require_few(channels: int) -> None:
    if not 1 <= channels <= _MAX_CHANNELS:
        raise DataError(
            f"the picture in a segment has {channels} channels; more than {_MAX_CHANNELS} are not read"
        )


def _webp(stream: bytes) -> tuple[int, int]:
    if len(stream) < 30 or stream[:4] != b"RIFF" or stream[8:12] != b"WEBP":
        raise DataError("the WebP stream has no header")
    kind = stream[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(stream[24:27], "little"), 1 + int.from_bytes(stream[27:30], "little")
    if kind == b"VP8L":
        packed = int.from_bytes(stream[21:25], "little")
        return 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
    columns, rows = struct.unpack_from("<HH", stream, 26)
    return columns & 0x3FFF, rows & 0x3FFF


def _lerc(stream: bytes) -> tuple[int, int]:
    if len(stream) < 38 or stream[:6] != b"Lerc2 ":
        raise DataError("the LERC stream has no header of version 2")
    version = struct.unpack_from("<i", stream, 6)[0]
    at = 14 if version >= 3 else 10  # behind a checksum
    rows, columns = struct.unpack_from("<ii", stream, at)
    at += 8
    if version >= 4:
        _require_few(struct.unpack_from("<i", stream, at)[0])
        at += 4
    if struct.unpack_from("<i", stream, at + 8)[0] != len(stream):  # each blob of a row of blobs is a channel
        raise DataError("the LERC stream holds more or less than one picture")
    return columns, rows
