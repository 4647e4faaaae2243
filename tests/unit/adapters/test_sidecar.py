from __future__ import annotations

import os
from pathlib import Path

import pytest

from semwatchd.adapters.sidecar import MAX_SIDECAR_BYTES, as_text, read_sidecar, sidecar_paths
from semwatchd.core.naming import described_images, is_sidecar


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("x.txt", "x.tif"),
        ("x.TXT", "x.TIF"),
        ("x.txt", "x.bmp"),
        ("x.hdr", "x.png"),
        ("x.tif.txt", "x.tif"),
        ("x-tif.hdr", "x.tif"),
        ("x-png.hdr", "x.png"),
        ("x.txt", "x.sitif"),
    ],
)
def test_a_sidecar_names_its_image(name: str, image: str) -> None:
    assert is_sidecar(name)
    assert image in described_images(name)


@pytest.mark.parametrize("name", ["x.tif", "x.csv", "x", ".txt.tif"])
def test_other_files_are_no_sidecars(name: str) -> None:
    assert not is_sidecar(name)


@pytest.mark.parametrize("image", ["x.tif", "x.BMP", "x.jpeg"])
def test_both_directions_agree(image: str) -> None:
    for path in sidecar_paths(f"/data/{image}"):
        assert image in described_images(path.removeprefix("/data/"))


def test_only_a_regular_file_with_a_signature_is_read(tmp_path: Path) -> None:
    image = str(tmp_path / "x.tif")
    assert read_sidecar(image) is None
    os.mkfifo(tmp_path / "x.txt")
    assert read_sidecar(image) is None
    (tmp_path / "x.tif.txt").write_text("$CM_FORMAT JEOL-SEM\n" + "x" * 2 * MAX_SIDECAR_BYTES)
    found = read_sidecar(image)
    assert found is not None
    assert len(found[1]) <= MAX_SIDECAR_BYTES


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_every_coding_of_the_makers_is_understood(coding: str) -> None:
    assert as_text("[SemImageFile]\r\nPixelSize=4 µm\0".encode(coding)).startswith("[SemImageFile]")


def test_bytes_of_no_coding_still_become_text() -> None:
    assert as_text(b"WD = 4 \xb5m") == "WD = 4 µm"
    assert as_text(b"\xff\xfe\x00") is not None
