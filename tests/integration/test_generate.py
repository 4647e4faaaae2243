"""Data sets made by several processes, interrupted, and asked for again."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from semwatchd.adapters.tiff import decode_tiff
from semwatchd.offline import dataset
from semwatchd.offline.dataset import DatasetSpec, ForeignDatasetError, batches, read_spec
from semwatchd.offline.generate import generate

pytestmark = pytest.mark.integration

SPEC = DatasetSpec(
    track="b", count=9, rows=66, columns=45, shots=2, seed=3, defect_share=0.5, format="shards"
)


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "MOST_SCENES", 4)


def made(folder: Path, spec: DatasetSpec, workers: int) -> list[int]:
    heard: list[int] = []
    generate(folder, spec, workers, heard.append)
    return heard


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_any_number_of_processes_makes_the_same_bytes(tmp_path: Path) -> None:
    assert sorted(made(tmp_path / "one", SPEC, 1)) == [1, 4, 4]
    made(tmp_path / "three", SPEC, 3)
    one, three = contents(tmp_path / "one"), contents(tmp_path / "three")
    assert sorted(one) == ["dataset.json", "shard-00000.npz", "shard-00001.npz", "shard-00002.npz"]
    assert one == three


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    made(tmp_path / "whole", SPEC, 2)
    whole = contents(tmp_path / "whole")
    kept = tmp_path / "whole" / "shard-00000.npz"
    before = kept.stat().st_mtime_ns
    (tmp_path / "whole" / "shard-00001.npz").unlink()
    assert sorted(made(tmp_path / "whole", SPEC, 2)) == [1, 4, 4]
    assert kept.stat().st_mtime_ns == before
    assert contents(tmp_path / "whole") == whole


def test_a_shard_holds_frames_depth_and_mask(tmp_path: Path) -> None:
    made(tmp_path, SPEC, 1)
    with np.load(tmp_path / "shard-00000.npz", allow_pickle=False) as shard:
        assert shard["sem"].shape == (4, 2, 66, 45)
        assert shard["depth"].shape == shard["mask"].shape == (4, 66, 45)
        assert {shard[name].dtype for name in ("sem", "depth", "mask")} == {np.dtype(np.uint8)}
        assert list(shard["defect"]) != ["none"] * 4
        assert np.abs(shard["depth"].max(axis=(1, 2)) - shard["level_nm"]).min() <= 0.5


def test_files_are_readable_as_a_tools(tmp_path: Path) -> None:
    spec = replace(SPEC, count=2, format="tiff")
    made(tmp_path, spec, 1)
    frame = decode_tiff((tmp_path / "scene-000001-1.tif").read_bytes(), max_pixels=10_000)
    assert frame.samples.shape == (66, 45)
    truth = json.loads((tmp_path / "truth" / "batch-00000.json").read_text())
    assert len(truth) == 2
    assert made(tmp_path, spec, 1) == [2]


def test_another_data_set_in_the_folder_is_refused(tmp_path: Path) -> None:
    made(tmp_path / "set", replace(SPEC, count=1), 1)
    with pytest.raises(ForeignDatasetError, match="seed 3, not 4"):
        made(tmp_path / "set", replace(SPEC, count=1, seed=4), 1)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.doc").write_text("mine")
    with pytest.raises(ForeignDatasetError, match="not empty"):
        made(tmp_path / "other", SPEC, 1)


def test_a_folder_without_a_data_set_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ForeignDatasetError, match="semwatchd synth"):
        read_spec(tmp_path)


def test_batches_cover_every_scene_once() -> None:
    for count in (1, 4, 5, 9):
        laid = list(batches(replace(SPEC, count=count)))
        numbers = [n for batch in laid for n in range(batch.first, batch.first + batch.count)]
        assert numbers == list(range(count))
