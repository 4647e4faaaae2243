from __future__ import annotations

import struct

import imagecodecs
import numpy as np
import pytest

from semwatchd.adapters.raster import decode_bmp, decode_jpeg, decode_png
from semwatchd.core.errors import DataError
from tests.hostile_tiffs import gradient

PICTURE = gradient()
LIMIT = 10_000


def bitmap(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], *, top_down: bool = False) -> bytes:
    """An uncompressed bitmap of 24 bits."""
    height, width = pixels.shape
    stride = -(-width * 3 // 4) * 4
    rows = [
        np.repeat(row, 3).tobytes().ljust(stride, b"\0") for row in (pixels if top_down else pixels[::-1])
    ]
    info = struct.pack("<IiiHHIIiiII", 40, width, -height if top_down else height, 1, 24, 0, 0, 0, 0, 0, 0)
    body = b"".join(rows)
    return b"BM" + struct.pack("<IHHI", 54 + len(body), 0, 0, 54) + info + body


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_grey_png_is_exact(dtype: str) -> None:
    picture = PICTURE.astype(dtype) * 3
    decoded = decode_png(bytes(imagecodecs.png_encode(picture)), LIMIT)
    np.testing.assert_array_equal(decoded.samples, picture)
    assert (decoded.dtype, decoded.pages, decoded.compression) == (dtype, 1, None)


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_grey_stored_with_more_channels_is_exact(channels: int) -> None:
    picture = np.dstack([PICTURE] * channels)
    decoded = decode_png(bytes(imagecodecs.png_encode(picture)), LIMIT * 4)
    np.testing.assert_array_equal(decoded.samples, PICTURE)


def test_a_jpeg_is_close() -> None:
    decoded = decode_jpeg(bytes(imagecodecs.jpeg8_encode(PICTURE, level=95)), LIMIT)
    assert np.abs(decoded.samples.astype(int) - PICTURE).max() < 16


@pytest.mark.parametrize("top_down", [False, True])
def test_a_colour_bitmap_is_exact_either_way_up(*, top_down: bool) -> None:
    np.testing.assert_array_equal(decode_bmp(bitmap(PICTURE, top_down=top_down), LIMIT).samples, PICTURE)


def test_a_palette_bitmap_is_exact() -> None:
    np.testing.assert_array_equal(decode_bmp(bytes(imagecodecs.bmp_encode(PICTURE)), LIMIT).samples, PICTURE)


def test_a_bitmap_of_one_bit_is_unpacked() -> None:
    info = struct.pack("<IiiHHIIiiII", 40, 10, 2, 1, 1, 0, 0, 0, 0, 2, 0)
    palette = bytes([0, 0, 0, 0, 255, 255, 255, 0])
    rows = bytes([0b10000000, 0b01000000, 0, 0]) + bytes([0b11111111, 0, 0, 0])
    decoded = decode_bmp(b"BM" + struct.pack("<IHHI", 70, 0, 0, 62) + info + palette + rows, LIMIT)
    assert decoded.samples[0].tolist() == [255] * 8 + [0] * 2
    assert decoded.samples[1].tolist() == [255] + [0] * 8 + [255]


@pytest.mark.parametrize(
    ("decoder", "data"),
    [
        (decode_png, imagecodecs.png_encode(PICTURE)),
        (decode_jpeg, imagecodecs.jpeg8_encode(PICTURE)),
        (decode_bmp, imagecodecs.bmp_encode(PICTURE)),
    ],
    ids=["png", "jpeg", "bmp"],
)
def test_size_and_end_are_judged_before_decoding(decoder: object, data: bytes) -> None:
    assert callable(decoder)
    with pytest.raises(DataError, match="limit is 3071"):
        decoder(data, 3071)
    for length in (4, 20, 40, len(data) // 2, len(data) - 3):
        with pytest.raises(DataError, match=r"cut short|damaged"):
            decoder(data[:length], LIMIT)


def test_a_compressed_bitmap_is_refused_in_words() -> None:
    data = bytearray(bitmap(PICTURE))
    struct.pack_into("<I", data, 30, 1)
    with pytest.raises(DataError, match="compression 1 is not read here"):
        decode_bmp(bytes(data), LIMIT)
