import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
import torch
from torch import nn

from semwatchd.core.errors import EnvironmentFault
from semwatchd.models.adabn import recompute_statistics
from semwatchd.models.checkpoint import load_model
from semwatchd.models.networks import UnknownArchitectureError, to_network
from semwatchd.offline.depth.baseline import mean_depth
from semwatchd.offline.depth.data import Frames, load, mean_shot
from semwatchd.offline.depth.orders import Front, ScoringOrder, TrainingOrder, WrongOrderError
from semwatchd.offline.depth.score import evaluate
from semwatchd.offline.depth.train import train
from semwatchd.offline.depth.trainer import Trainer
from tests.depth_data import make_data


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("depth")
    return {
        "data": make_data(folder / "train", 320, seed=1),
        "test": make_data(folder / "test", 48, seed=2),
        "shift": make_data(folder / "shift", 48, seed=3, track="a-shift"),
    }


@pytest.fixture
def order(places: dict[str, str], tmp_path: Path) -> TrainingOrder:
    return TrainingOrder(
        data=(places["data"],),
        test=places["test"],
        shift=places["shift"],
        out=str(tmp_path / "run"),
        architecture="unet-2-8",
        steps=6,
        batch=16,
    )


def every_step() -> Iterator[float]:
    """Clock of a machine so slow that each step is worth saving."""
    now_s = 0.0
    while True:
        yield now_s
        now_s += 60


def test_a_short_training_beats_the_mean_depth_more_than_twice(order: TrainingOrder) -> None:
    result = train(replace(order, steps=120))
    mean = mean_depth(load(order.data).frames, load([str(order.test)]).frames).rmse
    found = result["scores"]["test"]["rmse"]
    assert mean > 40
    assert found < mean / 2
    lines = [json.loads(line) for line in (Path(order.out) / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] == 120
    assert lines[-1]["depth"] < lines[0]["depth"]
    assert not (Path(order.out) / "state.pt").exists()
    assert (Path(order.out) / "curve.png").exists()
    picture = cv2.imread(f"{order.out}/preview.png", cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    assert picture.shape == (8 * 26 * 3, 4 * 22 * 3)
    network, manifest = load_model(Path(order.out) / "model.safetensors")
    assert manifest.rmse["test"] == found
    assert manifest.data == load(order.data).sha256
    assert order.out not in manifest.command
    assert set(manifest.domain) == {"level", "contrast", "sharpness", "disagreement_nm"}
    assert all(low < high for low, high in manifest.domain.values())
    again = evaluate(ScoringOrder(model=f"{order.out}/model.safetensors", data=str(order.test)))
    assert again["scores"]["test"]["rmse"] == pytest.approx(found, rel=1e-4)
    assert not network.training


class Killed(BaseException):
    """What a kill looks like from inside: nothing after it is done."""


def test_the_statistics_are_those_of_all_data_sets(
    order: TrainingOrder, places: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("semwatchd.offline.depth.train.STATISTICS_SCENES", 40)  # fewer than one set has
    both = (places["test"], places["shift"])
    train(replace(order, data=both, test=places["data"], shift=None, ema=0.5))
    network, _ = load_model(Path(order.out) / "model.safetensors")
    frames = load(both).frames
    told, all_sets, first_set = (
        statistics_of(network),
        statistics_anew(network, frames.spread(40)),
        statistics_anew(network, frames.part(slice(40))),
    )
    assert (told - all_sets).norm() < 0.1 * (told - first_set).norm()


def statistics_of(network: nn.Module) -> torch.Tensor:
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    return torch.cat([norm.running_mean for norm in norms if norm.running_mean is not None])


def statistics_anew(network: nn.Module, frames: Frames) -> torch.Tensor:
    again = deepcopy(network)
    recompute_statistics(again, to_network(mean_shot(frames, 1)), seed=1)
    return statistics_of(again)


def test_a_killed_training_ends_with_the_weights_of_one_that_was_not(
    order: TrainingOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = replace(order, out=order.out + "-whole", ema=0.9)
    killed = replace(order, ema=0.9)
    train(whole)
    step = Trainer.step

    def fatal_step(self: Trainer) -> dict[str, float]:
        if self.done == 4:
            raise Killed
        return step(self)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "step", fatal_step)
        with pytest.raises(Killed):
            train(killed, clock=every_step().__next__)
    assert not (Path(killed.out) / "model.safetensors").exists()
    train(killed)
    ends = [(Path(o.out) / "model.safetensors").read_bytes() for o in (whole, killed)]
    assert ends[0] == ends[1]


def test_what_is_finished_is_not_done_again(
    order: TrainingOrder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = train(order)
    capsys.readouterr()
    monkeypatch.setattr(Trainer, "step", None)
    assert train(order) == first
    assert json.loads(capsys.readouterr().out) == {"steps": order.steps}


def test_a_folder_with_another_training_is_left_alone(order: TrainingOrder) -> None:
    train(replace(order, steps=1))
    with pytest.raises(WrongOrderError, match="holds another training"):
        train(replace(order, steps=2))


def test_without_test_data_every_tenth_scene_is_kept_back(order: TrainingOrder) -> None:
    result = train(replace(order, test=None, shift=None, steps=1))
    assert list(result["scores"]) == ["test", "test_all_shots"]


@pytest.mark.parametrize("front", [Front.NOISE2SELF, Front.NOISE2NOISE])
def test_a_denoiser_may_stand_in_front(order: TrainingOrder, front: Front) -> None:
    plain, behind = train(replace(order, out=order.out + "-plain")), train(replace(order, front=front))
    assert behind["scores"]["test"] != plain["scores"]["test"]


def test_transfer_moves_the_weights(order: TrainingOrder) -> None:
    before, after = train(order), train(replace(order, out=order.out + "-moved", transfer_steps=2))
    assert before["scores"]["test"] != after["scores"]["test"]


def test_a_network_nobody_knows_is_refused_before_anything_is_made(order: TrainingOrder) -> None:
    with pytest.raises(UnknownArchitectureError):
        train(replace(order, architecture="vit-12"))
    assert not Path(order.out).exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_cuda_that_is_not_there_is_missed(order: TrainingOrder) -> None:
    with pytest.raises(EnvironmentFault, match="no CUDA device"):
        train(replace(order, device="cuda"))


def test_scoring_on_the_training_data_is_refused(order: TrainingOrder) -> None:
    train(replace(order, steps=1))
    with pytest.raises(WrongOrderError, match="was trained on"):
        evaluate(ScoringOrder(model=f"{order.out}/model.safetensors", data=order.data[0]))
