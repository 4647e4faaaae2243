import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from semwatchd.offline.depth import table
from semwatchd.offline.depth.orders import Advance, BaselineOrder, Order, TrainingOrder
from semwatchd.offline.depth.rows import CLAIMS, PRESETS, ROWS, Preset, PresetName
from semwatchd.offline.depth.table import TableOrder, make_table, total_steps

FIGURES = {"structure_rmse": 1.0, "level_error": 1.0}
TINY = Preset(train=32, test=16, steps=2, batch=8, seeds=(1, 2))


class Trainings:
    """Answers orders as the processes would, at once."""

    def __init__(self) -> None:
        self.asked: list[Order] = []

    def __call__(self, order: Order, advance: Advance) -> Mapping[str, Any]:
        self.asked.append(order)
        if isinstance(order, BaselineOrder):
            scores = {"test": {"rmse": 9.0, **FIGURES}}
            return {"retrieval": scores, "mean_depth": scores}
        assert isinstance(order, TrainingOrder)
        advance(order.steps)
        rmse = 2.0 + 0.001 * order.seed + ("pix2pix" in order.architecture)
        parts = ("test", "test_all_shots", "shift", "shift_adabn")
        scores = {part: {"rmse": rmse, **FIGURES} for part in parts}
        return {"scores": scores, "images_per_s": 100.0, "parameters": 1234}


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> Trainings:
    twin = Trainings()
    monkeypatch.setattr(table, "carry_out", twin)
    return twin


def order(out: Path) -> TableOrder:
    return TableOrder(out=out, preset=TINY, workers=1, device="cpu")


def test_the_table_has_every_row_and_every_answer(trainings: Trainings, tmp_path: Path) -> None:
    steps: list[int] = []
    text = make_table(order(tmp_path), steps.append).read_text()
    assert sum(steps) == total_steps(TINY)
    for title in [row.title for row in ROWS] + [claim.question for claim in CLAIMS]:
        assert f"| {title} |" in text
    widths = {line.count("|") for line in text.split("\n\n")[1].splitlines()}
    assert len(widths) == 1
    assert "2 steps of 8 scenes" in text.splitlines()[0]
    unet = next(line for line in text.splitlines() if line.startswith("| U-Net, 2 levels, width 16"))
    assert "2.00 ± 0.00" in unet
    assert "1,234" in unet
    facts = json.loads((tmp_path / "table.json").read_text())
    assert facts["runs"]["ours"][1]["scores"]["test"]["rmse"] == 2.002
    beats = next(v for v in facts["verdicts"] if v["question"].startswith("Does a U-Net"))
    assert (beats["answer"], beats["difference"]) == ("yes", pytest.approx(-1.0))


def test_all_rows_see_equal_data_steps_and_seeds(trainings: Trainings, tmp_path: Path) -> None:
    make_table(order(tmp_path), lambda _: None)
    asked = [one for one in trainings.asked if isinstance(one, TrainingOrder)]
    assert len({one.out for one in asked}) == len(asked) == 2 * len(ROWS)
    assert len({(one.data, one.test, one.shift, one.steps, one.batch) for one in asked}) == 1
    assert {one.seed for one in asked} == {1, 2}


def test_the_data_are_made_once(trainings: Trainings, tmp_path: Path) -> None:
    make_table(order(tmp_path), lambda _: None)
    shards = sorted((tmp_path / "data").rglob("*.npz"))
    times = [path.stat().st_mtime_ns for path in shards]
    make_table(order(tmp_path), lambda _: None)
    assert len(shards) == 3
    assert [path.stat().st_mtime_ns for path in shards] == times


def test_claims_speak_of_rows_that_are_there() -> None:
    names = {row.name for row in ROWS}
    assert len(names) == len(ROWS)
    assert {name for claim in CLAIMS for name in (claim.this, claim.that)} <= names
    assert all(len(preset.seeds) == 3 for preset in PRESETS.values())
    assert set(PRESETS) == set(PresetName)


@pytest.mark.integration
@pytest.mark.timeout(300)  # three processes load torch
def test_one_row_for_real(tmp_path: Path) -> None:
    row = replace(ROWS[-1], changes={**ROWS[-1].changes, "architecture": "unet-2-8"})
    text = make_table(order(tmp_path), lambda _: None, [row]).read_text()
    assert text.count(" ± ") == 6
    assert "retrieval" in text
