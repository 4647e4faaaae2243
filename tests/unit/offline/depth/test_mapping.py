import io
import json
import os
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from semwatchd.core.errors import EnvironmentFault
from semwatchd.core.paths import unescape
from semwatchd.models import shipped
from semwatchd.offline.depth.mapping import make_maps, mapping_order
from semwatchd.offline.depth.orders import MappingOrder, carry_out
from semwatchd.offline.writers import tiff_bytes
from tests.depth_data import save_a_model
from tests.images import write_truncated

FIGURES = {
    *("depth.median_nm", "depth.p05_nm", "depth.p95_nm"),
    *("depth.level_nm", "depth.hole_depth_nm", "depth.roughness_nm", "depth.disagreement_nm"),
}


def write_picture(path: Path, seed: int = 0, dtype: str = "uint8") -> str:
    pixels = np.random.default_rng(seed).integers(60, 180, (72, 48)).astype(dtype)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tiff_bytes(pixels, pixel_size_nm=1.5))
    return str(path)


def mapped(tmp_path: Path, *images: str, **model: Any) -> list[dict[str, Any]]:  # noqa: ANN401 — of a manifest
    weights = save_a_model(tmp_path / "model.safetensors", **model)
    order = MappingOrder(images=images, out=str(tmp_path / "maps"), weights=str(weights), device="cpu")
    with redirect_stdout(io.StringIO()):
        return list(make_maps(order)["files"])


def test_each_image_gets_a_map_with_its_numbers_and_a_broken_one_only_a_reason(tmp_path: Path) -> None:
    good = write_picture(tmp_path / "a.tif", 1)
    bad = tmp_path / "bad.tif"
    write_truncated(bad, 1)
    first, broken, last = mapped(tmp_path, good, str(bad), write_picture(tmp_path / "b.tif", 2))
    assert [record["status"] for record in (first, broken, last)] == ["ok", "rejected", "ok"]
    assert broken["reason"]
    assert broken["map"] is None
    assert set(first["measurements"]) == FIGURES
    levels = tifffile.imread(first["map"])
    assert levels.shape == (72, 48)
    assert np.median(levels) * 0.01 == pytest.approx(first["measurements"]["depth.median_nm"], abs=0.01)
    assert Path(first["preview"]).read_bytes().startswith(b"\x89PNG")


def test_images_of_one_name_do_not_overwrite_each_other_and_the_same_image_does(tmp_path: Path) -> None:
    images = [write_picture(tmp_path / folder / "img.tif", seed) for seed, folder in enumerate("abc")]
    write_picture(Path(images[2]), 0)  # the third is the first once more
    maps = [record["map"] for record in mapped(tmp_path, *images)]
    assert len(set(maps)) == 2
    assert len(list((tmp_path / "maps").glob("*.tif"))) == 2


def test_what_is_unlike_the_training_is_said(tmp_path: Path) -> None:
    image = write_picture(tmp_path / "a.tif")
    (record,) = mapped(tmp_path, image, domain={"level": [10.0, 20.0], "disagreement_nm": [0.0, 1e-9]})
    said = " ".join(record["warnings"])
    for words in ("pixel size unknown", "level 1", "disagreement_nm "):
        assert f"out of domain: {words}" in said


def test_float_pictures_are_taken_for_grey_levels_and_that_is_said(tmp_path: Path) -> None:
    (record,) = mapped(tmp_path, write_picture(tmp_path / "a.tif", dtype="float32"))
    assert any("float picture" in warning for warning in record["warnings"])


def test_a_name_that_no_terminal_can_show_is_mapped_too(tmp_path: Path) -> None:
    image = write_picture(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\n.tif")))
    (record,) = mapped(tmp_path, image)
    assert record["status"] == "ok"
    json.dumps(record).encode("ascii")
    assert "\n" not in record["path"]


@pytest.mark.parametrize("name", ["x" * 250, "웨" * 83])
def test_a_name_as_long_as_a_name_can_be_leaves_room_for_more(tmp_path: Path, name: str) -> None:
    image = write_picture(tmp_path / f"{name[:-4]}.tif")
    (record,) = mapped(tmp_path, image)
    assert Path(unescape(record["map"])).exists()


def test_without_weights_it_is_said_how_to_get_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "SHIPPED", tmp_path / "none")
    with pytest.raises(EnvironmentFault, match="semwatchd train depth"):
        make_maps(MappingOrder(images=(), out=str(tmp_path)))


def test_the_order_survives_the_way() -> None:
    order = MappingOrder(images=("a\udcff", "b"), out="c")
    assert mapping_order(json.dumps(asdict(order))) == order


@pytest.mark.integration
@pytest.mark.timeout(300)  # a process loads torch
def test_more_images_than_arguments_can_name_are_mapped_by_a_process_of_its_own(tmp_path: Path) -> None:
    weights = save_a_model(tmp_path / "model.safetensors")
    missing = [str(tmp_path / f"{'x' * 100}-{number}.tif") for number in range(1500)]
    images = (*missing, write_picture(tmp_path / "a.tif"))
    order = MappingOrder(images=images, out=str(tmp_path / "maps"), weights=str(weights), device="cpu")
    steps: list[int] = []
    files = carry_out(order, steps.append)["files"]
    assert sum(steps) == len(files) == 1501
    assert [record["status"] for record in (files[0], files[-1])] == ["rejected", "ok"]
