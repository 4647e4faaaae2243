import json
import os
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from semwatchd.adapters.depth_map import (
    NM_PER_LEVEL,
    DepthFacts,
    map_name,
    preview_bytes,
    tiff_bytes,
    write_depth_map,
)
from semwatchd.adapters.reader import decode
from semwatchd.core.ports import SourceFile
from semwatchd.imaging.preview import STRIP_PX

FACTS = DepthFacts(
    source="wafer/한 글.tif",
    source_sha256="a" * 64,
    weights_sha256="b" * 64,
    architecture="unet-2-16",
    pixel_size_nm=1.5,
    info_bar_rows=60,
)


@pytest.fixture
def depth() -> NDArray[np.float32]:
    y, x = np.mgrid[:72, :48]
    return np.asarray(80 + 70 * np.sin(x / 6) * np.cos(y / 9), np.float32)


def test_the_depths_come_back_to_half_a_level_and_with_their_meaning(depth: NDArray[np.float32]) -> None:
    with tifffile.TiffFile(BytesIO(tiff_bytes([depth], FACTS))) as file:
        page = file.pages.first
        assert isinstance(page, tifffile.TiffPage)
        meaning = json.loads(page.description)
        levels = page.asarray()
        assert page.compression == tifffile.COMPRESSION.ZSTD
        assert page.tags["XResolution"].value[0] / page.tags["XResolution"].value[1] == pytest.approx(
            1e7 / 1.5
        )
    assert levels.dtype == np.uint16
    np.testing.assert_allclose(levels * meaning["nm_per_level"], depth, atol=0.51 * NM_PER_LEVEL)
    assert meaning["unit"] == "nm"
    assert meaning["source"] == FACTS.source
    assert (meaning["source_sha256"], meaning["weights_sha256"]) == (
        FACTS.source_sha256,
        FACTS.weights_sha256,
    )
    assert meaning["info_bar_rows"] == 60


def test_our_own_reader_can_read_it(depth: NDArray[np.float32]) -> None:
    data = tiff_bytes([depth], FACTS)
    image = decode(SourceFile(path="map.tif", data=data, sha256="c" * 64, size=len(data), mtime_ns=0))
    assert image.pixels.shape == depth.shape
    assert image.facts.dtype == "uint16"


def test_equal_maps_give_equal_bytes(depth: NDArray[np.float32]) -> None:
    assert tiff_bytes([depth], FACTS) == tiff_bytes([depth.copy()], FACTS)


def test_what_16_bits_cannot_hold_is_cut_and_does_not_wrap() -> None:
    content = tiff_bytes([np.array([[-5.0, 1e5]] * 2, np.float32)], FACTS)
    assert tifffile.imread(BytesIO(content))[0].tolist() == [0, 65535]


def test_a_map_without_a_pixel_size_claims_none(depth: NDArray[np.float32]) -> None:
    with tifffile.TiffFile(BytesIO(tiff_bytes([depth], replace(FACTS, pixel_size_nm=None)))) as file:
        page = file.pages.first
        assert isinstance(page, tifffile.TiffPage)
        assert json.loads(page.description)["pixel_size_nm"] is None
        assert page.tags["ResolutionUnit"].value == 1  # none


def test_each_part_is_a_page_and_says_where_it_begins(depth: NDArray[np.float32]) -> None:
    parts = [depth + 10 * number for number in range(6)]
    where = tuple((left, top) for top in (5, 105) for left in (10, 110, 210))
    content = tiff_bytes(parts, replace(FACTS, left_top_px=where))
    with tifffile.TiffFile(BytesIO(content)) as file:
        assert len(file.pages) == 6
        for page, part in zip(file.pages, parts, strict=True):
            assert isinstance(page, tifffile.TiffPage)
            np.testing.assert_allclose(page.asarray() * NM_PER_LEVEL, part, atol=0.51 * NM_PER_LEVEL)
            assert json.loads(page.description)["left_top_px"] == [list(corner) for corner in where]


def test_the_preview_shows_parts_as_they_stand_in_the_image(depth: NDArray[np.float32]) -> None:
    deeper = [np.full_like(depth, 20.0 * number) for number in range(6)]
    where = tuple((left, top) for top in (5, 105) for left in (10, 110, 210))
    content = preview_bytes(deeper, replace(FACTS, left_top_px=where))
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape[:2] == (2 * 72 + STRIP_PX, 3 * 48)
    colours = {tuple(picture[row, column]) for row in (36, 108) for column in (24, 72, 120)}
    assert len(colours) == 6


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/d/img.1.tif", "img.1-ab-cd.depth.tif"),
        ("/d/\udcff\n.tif", "__-ab-cd.depth.tif"),
        ("/d/" + "웨" * 83 + ".tif", "웨" * 66 + "-ab-cd.depth.tif"),
    ],
)
def test_a_map_is_named_after_its_image_so_that_anybody_can_read_it(path: str, name: str) -> None:
    assert map_name(path, "ab", "cd") == name


def test_the_preview_is_a_png(depth: NDArray[np.float32]) -> None:
    content = preview_bytes([depth], FACTS)
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape[1] == 48


def test_the_map_is_there_only_with_its_preview(
    tmp_path: Path, depth: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    sync = os.fsync

    def looking(handle: int) -> None:
        seen.append(sorted(path.name for path in tmp_path.glob("[!.]*")))
        sync(handle)

    monkeypatch.setattr(os, "fsync", looking)
    write_depth_map(tmp_path / "a.depth.tif", [depth], FACTS)
    assert seen == [[], ["a.depth.png"], ["a.depth.png"], ["a.depth.png", "a.depth.tif"]]
