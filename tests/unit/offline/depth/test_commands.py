import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from semwatchd.cli import app, depth, training
from semwatchd.core.errors import EnvironmentFault
from semwatchd.offline.depth.orders import (
    Advance,
    MappingOrder,
    Order,
    ScoringOrder,
    TrainingOrder,
    WrongOrderError,
)

RESULT = {
    "scores": {"test": {"rmse": 1.25, "structure_rmse": 1.0, "level_error": 0.5}},
    "images_per_s": 812.3,
    "parameters": 109393,
}


class Processes:
    """Take orders and answer at once."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.trouble: Exception | None = None

    def __call__(self, order: Order, advance: Advance) -> Mapping[str, Any]:
        self.orders.append(order)
        advance(1)
        if self.trouble:
            raise self.trouble
        return RESULT


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Processes:
    twin = Processes()
    monkeypatch.setattr(training, "carry_out", twin)
    return twin


def test_options_become_an_order(processes: Processes) -> None:
    words = "train depth --data a --data b --out c --arch pix2pix-3-64 --loss l1 --adversary bce --steps 7"
    done = CliRunner().invoke(app, words.split())
    assert done.exit_code == 0, done.output
    (order,) = processes.orders
    assert isinstance(order, TrainingOrder)
    assert (order.data, order.out, order.architecture) == (("a", "b"), "c", "pix2pix-3-64")
    assert (order.loss, order.adversary, order.steps) == ("l1", "bce", 7)
    assert "rmse 1.250" in done.stdout


def test_a_score_can_be_had_as_json(processes: Processes) -> None:
    done = CliRunner().invoke(
        app, ["evaluate", "depth", "--model", "m", "--data", "d", "--threads", "2", "--json"]
    )
    assert json.loads(done.stdout) == RESULT
    assert processes.orders == [ScoringOrder(model="m", data="d", threads=2)]


def test_what_a_person_must_change_is_a_usage_error(processes: Processes) -> None:
    processes.trouble = WrongOrderError("no such architecture")
    done = CliRunner().invoke(app, ["train", "depth", "--data", "a", "--out", "c"])
    assert done.exit_code == 2
    assert "no such architecture" in done.output


def test_what_the_machine_lacks_is_for_later(processes: Processes) -> None:
    processes.trouble = EnvironmentFault("torch is not installed")
    done = CliRunner().invoke(app, ["train", "depth", "--data", "a", "--out", "c"])
    assert isinstance(done.exception, EnvironmentFault)


def test_a_folder_that_holds_something_else_gets_no_table(tmp_path: Path) -> None:
    other = tmp_path / "data" / "train"
    other.mkdir(parents=True)
    (other / "thesis.txt").touch()
    done = CliRunner().invoke(app, ["train", "depth-table", "--out", str(tmp_path)])
    assert done.exit_code == 2
    assert "holds no data set" in " ".join(done.output.replace("│", " ").split())
    assert [path.name for path in other.iterdir()] == ["thesis.txt"]


MAPPED = {
    "path": "a.tif",
    "status": "ok",
    "reason": None,
    "map": "maps/a.depth.tif",
    "preview": "maps/a.depth.png",
    "measurements": {"depth.median_nm": 81.5, "depth.level_nm": None},
    "warnings": ["out of domain: level is 3"],
}
FOUND: dict[str, Any] = {
    "torch": "2.13",
    "threads": 1,
    "gpus": [{"name": "H200", "free_bytes": 1 << 36, "memory_bytes": 1 << 37}],
    "architecture": "unet-2-16",
    "timings": [
        {
            "way": {"device": "cpu", "precision": "bf16", "layout": "nhwc"},
            "ms_per_image": 0.5,
            "deviation_nm": 0.125,
        }
    ],
}


def test_maps_are_told_as_a_table_or_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    orders: list[Order] = []

    def carried_out(order: Order, advance: Advance) -> Mapping[str, Any]:
        orders.append(order)
        return {"files": [MAPPED, MAPPED | {"status": "rejected", "reason": "[bold]empty"}]}

    monkeypatch.setattr(depth, "carry_out", carried_out)
    words = ["depth", "a.tif", "b.tif", "-o", "maps", "--threads", "1"]
    done = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
    assert all(text in done.output for text in ("81.5", "out of domain", "[bold]empty"))
    done = CliRunner().invoke(app, [*words, "--json"])
    assert [json.loads(line)["status"] for line in done.output.splitlines()] == ["ok", "rejected"]
    assert orders[0] == orders[1] == MappingOrder(images=("a.tif", "b.tif"), out="maps", threads=1)


def test_the_doctor_says_what_is_there_and_what_is_fastest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depth, "carry_out", lambda order, advance: FOUND | {"chosen": FOUND["timings"][0]})
    output = CliRunner().invoke(app, ["doctor"]).output
    assert "H200 (64 of 128 GiB free)" in output
    assert "cpu bf16 nhwc: 0.500 ms, 2000 images/s, 0.125 nm from exact <- taken" in output


def test_the_doctor_without_torch_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depth, "find_spec", lambda name: None)
    assert "pip install 'semwatchd[models]'" in CliRunner().invoke(app, ["doctor"]).output
    assert json.loads(CliRunner().invoke(app, ["doctor", "--json"]).output)["torch"] is None
