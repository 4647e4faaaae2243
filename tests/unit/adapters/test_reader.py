from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest

from semwatchd.adapters.reader import decode
from semwatchd.adapters.source import read_once
from semwatchd.adapters.tiff_layout import completeness
from semwatchd.core.errors import DataError
from semwatchd.core.image import Vendor
from semwatchd.core.ports import CompletenessKind, SourceFile
from tests.hostile_tiffs import gradient, saved
from tests.real_data import BAD, REAL, catalogue, needs_real_data

PICTURE = gradient()

VENDORS = {
    "FEI/Thermo": Vendor.THERMO,
    "Zeiss": Vendor.ZEISS,
    "Zeiss (Fibics Atlas)": Vendor.ZEISS,
    "JEOL": Vendor.JEOL,
    "ASPEX (Perception)": Vendor.ASPEX,
    "Thermo NORAN (on JEOL)": Vendor.NORAN,
}


def in_memory(data: bytes) -> SourceFile:
    return SourceFile(path="/nowhere/x.tif", data=data, sha256="ab", size=len(data), mtime_ns=0)


@pytest.mark.parametrize(
    "data",
    [saved(PICTURE), bytes(imagecodecs.png_encode(PICTURE)), bytes(imagecodecs.bmp_encode(PICTURE))],
    ids=["tiff", "png", "bmp"],
)
def test_the_content_decides_not_the_name(data: bytes) -> None:
    image = decode(in_memory(data))
    np.testing.assert_array_equal(image.pixels, PICTURE)
    assert (image.facts.width, image.facts.height, image.facts.sha256) == (48, 64, "ab")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"PK\3\4zip", "begins with b'PK"),
        (b"II*\0", "ends inside its header after 4"),
    ],
)
def test_other_bytes_are_refused_in_words(data: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        decode(in_memory(data))


def test_what_a_codec_raises_becomes_a_data_error() -> None:
    data = bytearray(imagecodecs.png_encode(PICTURE))
    data[60] ^= 0xFF
    with pytest.raises(DataError, match="the pixels cannot be decoded: "):
        decode(in_memory(bytes(data)))


def test_the_bar_is_cut_and_the_facts_keep_the_full_height() -> None:
    picture = np.full((400, 400), 120, np.uint8)
    picture += np.random.default_rng(0).integers(0, 60, picture.shape, np.uint8)
    picture[370:] = 0
    picture[378:394, 20:300:3] = 255  # letters, as far as a row can tell
    image = decode(in_memory(saved(picture)))
    assert (image.facts.info_bar_rows, image.facts.height, image.pixels.shape) == (30, 400, (370, 400))
    assert image.pixels.flags.c_contiguous


def test_the_zero_rows_of_a_black_bar_are_no_sign_of_a_partial_file() -> None:
    picture = np.full((1000, 1000), 120, np.uint8)
    picture += np.random.default_rng(0).integers(0, 60, picture.shape, np.uint8)
    picture[940:] = 0
    picture[950:990, 20:600:3] = 255
    assert decode(in_memory(saved(picture))).warnings == ()


@needs_real_data
@pytest.mark.parametrize("entry", catalogue(REAL), ids=lambda entry: entry["file"])
def test_real_images_agree_with_their_catalogue(entry: dict[str, Any]) -> None:
    path = str(REAL / entry["file"])
    source = read_once(path)
    image = decode(source)
    facts = image.facts
    assert source.sha256 == entry["sha256"]
    assert (facts.width, facts.height, facts.dtype) == (entry["width"], entry["height"], entry["dtype"])
    assert (facts.pages, facts.compression) == (entry["pages"], entry.get("compression"))
    if (size_nm := entry.get("pixel_size_nm")) is None:
        assert facts.pixel_size_nm is None
    else:
        assert facts.pixel_size_nm == pytest.approx(size_nm, rel=0.005)
    assert facts.vendor is VENDORS.get(entry["vendor"], Vendor.UNKNOWN)
    if "info_bar_first_row" in entry:
        assert facts.height - facts.info_bar_rows == pytest.approx(entry["info_bar_first_row"], abs=3)
    assert not any(warning.startswith("suspect_partial") for warning in image.warnings)
    assert completeness(path).kind is CompletenessKind.COMPLETE


@needs_real_data
@pytest.mark.parametrize("entry", catalogue(BAD), ids=lambda entry: entry["file"])
def test_odd_and_corrupt_images_get_the_expected_verdict(entry: dict[str, Any]) -> None:
    source = read_once(str(BAD / entry["file"]))
    try:
        image = decode(source)
    except DataError as refusal:
        assert entry["expected"] in {"quarantine", "either"}, refusal  # noqa: PT017 — both verdicts occur
    else:
        assert entry["expected"] in {"decode", "either"}
        assert [image.facts.height, image.facts.width] == entry["shape"][:2]
        assert image.facts.dtype == entry["dtype"]


def test_a_sidecar_of_another_maker_in_a_folder_is_not_taken_for_the_image(tmp_path: Path) -> None:
    (tmp_path / "x.tif").write_bytes(saved(PICTURE))
    (tmp_path / "y.txt").write_text("$CM_FORMAT JEOL-SEM\n")
    assert decode(read_once(str(tmp_path / "x.tif"))).facts.vendor is Vendor.UNKNOWN
