from pathlib import Path

import cv2
import numpy as np

from semwatchd.offline.gallery import write_gallery


def test_the_gallery_shows_every_kind_and_every_defect_and_is_the_same_each_time(tmp_path: Path) -> None:
    write_gallery(tmp_path)
    sheets = {path.stem: cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in tmp_path.iterdir()}
    assert sorted(sheets) == ["synth-defects", "synth-kinds", "synth-tracks"]
    rows = {name: sheet.shape[0] for name, sheet in sheets.items() if sheet is not None}
    assert rows["synth-defects"] * 2 == rows["synth-kinds"] * 3, "six defects, four kinds, two in a line"
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    write_gallery(tmp_path)
    assert before == {path: path.read_bytes() for path in tmp_path.iterdir()}


def test_each_defect_has_a_mask(tmp_path: Path) -> None:
    write_gallery(tmp_path)
    sheet = cv2.imread(str(tmp_path / "synth-defects.png"), cv2.IMREAD_GRAYSCALE)
    assert sheet is not None
    for line in np.array_split(sheet, 3):
        for scene in np.array_split(line, 2, axis=1):
            mask = np.array_split(scene[30:-10], 3, axis=1)[2][:, 12:-12]
            assert 0 < (mask == 255).mean() < 0.6
