import io
import json
from dataclasses import asdict
from pathlib import Path

import pytest

from semwatchd.core.errors import EnvironmentFault
from semwatchd.offline.depth import orders
from semwatchd.offline.depth.orders import (
    Adversary,
    CheckupOrder,
    Loss,
    ScoringOrder,
    TrainingOrder,
    WrongOrderError,
    carry_out,
)
from tests.depth_data import make_data

ORDER = TrainingOrder(data=("a", "b"), out="c", loss=Loss.L1, adversary=Adversary.BCE, critic_width=16)


def test_an_order_survives_the_way_to_the_other_process() -> None:
    there = orders.training_order(json.dumps(asdict(ORDER)))
    assert there == ORDER
    assert isinstance(there.loss, Loss)


def test_without_torch_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "find_spec", lambda name: None)
    with pytest.raises(EnvironmentFault, match=r"pip install 'semwatchd\[models\]'"):
        carry_out(ORDER, lambda steps: None)


def heard(*lines: str) -> tuple[object, list[int]]:
    steps: list[int] = []
    return orders._heard(io.StringIO("".join(lines)), steps.append), steps


def test_progress_and_the_result_are_heard() -> None:
    assert heard('{"steps": 3}\n', '{"steps": 1}\n', '{"result": {"a": 1}}\n') == ({"a": 1}, [3, 1])


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ('{"wrong": "no such"}\n', WrongOrderError),
        ('{"fault": "disk"}\n', EnvironmentFault),
        ('{"steps": 1}\n{"resu', EnvironmentFault),
        ("", EnvironmentFault),
    ],
)
def test_whatever_goes_wrong_is_an_error_for_a_person(line: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        heard(line)


@pytest.mark.integration
@pytest.mark.timeout(300)  # two processes load torch
def test_a_process_trains_and_another_says_what_is_missing(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", 40)
    steps: list[int] = []
    order = TrainingOrder(data=(data,), out=str(tmp_path / "out"), architecture="unet-2-8", steps=2, batch=8)
    assert carry_out(order, steps.append)["scores"]["test"]["rmse"] > 0
    assert sum(steps) == 2
    with pytest.raises(EnvironmentFault, match="other"):
        carry_out(ScoringOrder(model=str(tmp_path / "other.safetensors"), data=data), steps.append)


@pytest.mark.integration
@pytest.mark.timeout(300)  # a process loads torch
def test_a_process_tells_what_the_machine_can_do() -> None:
    found = carry_out(CheckupOrder(threads=1), lambda steps: None)
    assert found["chosen"] in found["timings"]
    assert {timing["way"]["precision"] for timing in found["timings"]} >= {"fp32", "bf16"}
