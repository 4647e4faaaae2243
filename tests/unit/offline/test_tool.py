import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest
import tifffile

from semwatchd.offline.manifest import FramesSpec, ToolSpec, read_manifest
from semwatchd.offline.tool import main, plan_shots, write_frames, write_reference


@pytest.fixture
def spec(tmp_path: Path) -> ToolSpec:
    return ToolSpec(
        root=str(tmp_path / "sem01"),
        reference=str(tmp_path / "reference.tif"),
        manifest=str(tmp_path / "truth" / "manifest.jsonl"),
        images=24,
        resent=3,
        broken=1,
        rate_per_s=10_000,
        size_px=96,
        pause_s=0.001,
    )


def run(spec: ToolSpec) -> None:
    fields = {name: getattr(spec, name) for name in ToolSpec.__dataclass_fields__}
    assert main(["write", json.dumps(fields)]) == 0


def test_the_manifest_tells_the_truth_about_every_file(spec: ToolSpec) -> None:
    run(spec)
    entries = read_manifest(Path(spec.manifest))
    on_disk = {str(path) for path in Path(spec.root).rglob("*") if path.is_file()}
    assert {entry.path for entry in entries} == on_disk
    assert Counter(entry.expected for entry in entries) == {"stored": 24, "duplicate": 3, "quarantined": 1}
    for entry in entries:
        assert hashlib.sha256(Path(entry.path).read_bytes()).hexdigest() == entry.sha256


def test_only_what_is_sent_again_has_bytes_seen_before(spec: ToolSpec) -> None:
    run(spec)
    entries = read_manifest(Path(spec.manifest))
    first_sent = [entry.sha256 for entry in entries if entry.expected != "duplicate"]
    assert len(set(first_sent)) == len(first_sent)
    assert {entry.sha256 for entry in entries if entry.expected == "duplicate"} < set(first_sent)


def test_the_reference_lies_outside_the_watched_folder_and_has_the_images_size(spec: ToolSpec) -> None:
    write_reference(spec)
    assert not Path(spec.reference).is_relative_to(spec.root)
    assert tifffile.imread(spec.reference).shape == (96, 96)


def test_the_same_seed_writes_the_same_bytes(spec: ToolSpec) -> None:
    run(spec)
    first = {entry.path: entry.sha256 for entry in read_manifest(Path(spec.manifest))}
    run(spec)
    assert {entry.path: entry.sha256 for entry in read_manifest(Path(spec.manifest))} == first


def test_files_are_laid_out_by_lot_and_wafer(tmp_path: Path) -> None:
    spec = ToolSpec(root="/sem", reference="/r.tif", manifest="/m", images=50, resent=5, broken=2)
    shots = plan_shots(spec)
    assert str(shots[0].path) == "/sem/LOT0001/W01_site001.tif"
    assert {shot.path.parent.name for shot in shots} == {"LOT0001", "LOT0002"}
    assert len({shot.path for shot in shots}) == 57
    assert [shot.expected for shot in shots[-5:]] == ["duplicate"] * 5


def test_a_manifest_line_still_being_written_is_left_for_later(spec: ToolSpec, tmp_path: Path) -> None:
    run(spec)
    whole = Path(spec.manifest).read_text(encoding="utf-8")
    torn = tmp_path / "torn.jsonl"
    torn.write_text(whole[:-10], encoding="utf-8")
    assert len(read_manifest(torn)) == 27
    assert read_manifest(tmp_path / "absent.jsonl") == []


def test_frames_are_distinct_and_lie_by_lot(tmp_path: Path) -> None:
    reference = tmp_path / "reference.tif"
    write_frames(
        FramesSpec(
            directory=str(tmp_path / "frames"),
            reference=str(reference),
            images=6,
            size_px=64,
            images_per_lot=4,
        )
    )
    files = sorted((tmp_path / "frames").rglob("*.tif"))
    assert [path.parent.name for path in files] == ["LOT0001"] * 4 + ["LOT0002"] * 2
    assert len({path.read_bytes() for path in files} | {reference.read_bytes()}) == 7


def test_an_unknown_task_is_refused() -> None:
    assert main(["dance", "{}"]) == 64
