"""Deflate strips of grey integers, inflated with their checksums looked at."""

from __future__ import annotations

import zlib

import imagecodecs
import numpy as np

from semwatchd.adapters.tiff_data import PageData, raise_short
from semwatchd.core.errors import DataError
from semwatchd.imaging.gray import Samples

_MAX_EXTRA_BYTES = 1 << 20  # inflated behind the last row of a strip, to look for the checksum


def inflated(source: PageData) -> tuple[Samples, tuple[str, ...]]:
    """Decode the strips, with a warning where some go on after their last row."""
    parts, trailing = [], 0
    for index, wanted in enumerate(source.page.all_segment_bytes):
        part, clean = _inflate(source, index, wanted)
        parts.append(part)
        trailing += not clean
    samples: Samples = np.frombuffer(bytearray().join(parts), source.dtype).reshape(source.shape)
    samples = samples.astype(source.dtype.newbyteorder("="), copy=False)
    if source.page.predictor == 2:
        samples = imagecodecs.delta_decode(samples, axis=1, out=samples)
    warnings = (f"extra_data: {trailing} of {len(parts)} strips hold data after their last row",)
    return samples, warnings if trailing else ()


def _inflate(source: PageData, index: int, wanted: int) -> tuple[bytes, bool]:
    """Decompress one strip to exactly the bytes its rows need; say whether it held no more."""
    offset, count = source.offsets[index], source.counts[index]
    packed = source.data[offset : offset + count]
    try:
        part, clean = bytes(imagecodecs.deflate_decode(packed, out=wanted)), True
    except imagecodecs.DeflateError:
        # libtiff reads strips that go on after their last row, so we do too.
        part, clean = _inflate_leniently(source, index, packed, wanted), False
    if len(part) < wanted:
        raise_short(source, index, len(part))
    return part, clean


def _inflate_leniently(source: PageData, index: int, packed: bytes, wanted: int) -> bytes:
    stream, name = zlib.decompressobj(), f"strip {index + 1} of {source.page.segments}"
    try:
        part = stream.decompress(packed, wanted)
        more = stream.decompress(stream.unconsumed_tail, _MAX_EXTRA_BYTES)  # bounded, and checks the checksum
    except zlib.error as error:
        raise DataError(f"{name} is damaged: deflate says {error}") from error
    if len(part) == wanted and not more and not stream.eof:
        raise DataError(f"{name} is damaged: its deflate stream has no end and no checksum")
    return part
