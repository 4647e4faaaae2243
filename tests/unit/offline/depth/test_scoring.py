import pytest
import torch
from torch import nn

from semwatchd.models.networks import Architecture, build
from semwatchd.offline.depth.data import Frames
from semwatchd.offline.depth.orders import Shots
from semwatchd.offline.depth.scoring import predicted, predicted_from_all, score, score_all


def scenes(count: int = 4) -> Frames:
    """Half of each scene is the top, half the floor, 150 nm below."""
    depth = torch.zeros(count, 16, 12, dtype=torch.uint8)
    depth[:, 8:] = 150
    return Frames(sem=depth[:, None].repeat(1, 4, 1, 1), depth=depth, level=torch.full((count,), 150.0))


class Showing(nn.Module):
    """A network that knows: the depth is the picture."""

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return frames


def test_the_rmse_is_over_the_whole_set_not_a_mean_over_images() -> None:
    truth = scenes()
    found = truth.depth.float()
    found[0] += 10
    assert score(found, truth).rmse == pytest.approx((100 / 4) ** 0.5)


def test_a_wrong_level_is_no_wrong_structure() -> None:
    truth = scenes()
    result = score(truth.depth.float() * 0.9, truth)
    assert result.level_error == pytest.approx(15)
    assert result.rmse == pytest.approx(15 / 2**0.5)
    assert result.structure_rmse == pytest.approx(0, abs=1e-4)


def test_a_wrong_structure_is_no_wrong_level() -> None:
    truth = scenes()
    found = truth.depth.float()
    found[:, 7] = 75
    result = score(found, truth)
    assert result.level_error == 0
    assert result.structure_rmse > 10


def test_a_scene_without_floor_says_nothing_of_the_level() -> None:
    truth = scenes()
    truth.depth[0] = 0
    assert score(truth.depth.float() + 3, truth).level_error == pytest.approx(3)


def test_all_shots_are_averaged_before_or_after_the_network() -> None:
    truth = scenes()
    truth.sem[:, 0] += 40
    network = Showing().eval()
    for trained_on in Shots:
        found = predicted_from_all(network, truth, trained_on)
        assert torch.allclose(found, truth.depth + 10.0, atol=1.0)
    assert torch.allclose(predicted(network, truth.sem[:, :1].float()), truth.depth + 40.0, atol=1.0)


def test_a_network_in_training_mode_is_refused() -> None:
    with pytest.raises(RuntimeError, match="training mode"):
        predicted(Showing(), torch.zeros(1, 1, 16, 12))


def test_a_shifted_domain_is_scored_on_scenes_the_statistics_have_not_seen() -> None:
    network = build(Architecture.named("unet-2-8")).eval()
    before = {name: values.clone() for name, values in network.state_dict().items()}
    found = score_all(network, Shots.ONE, scenes(), scenes(8))
    assert list(found) == ["test", "test_all_shots", "shift", "shift_adabn"]
    assert found["shift"]["rmse"] == found["test"]["rmse"]
    assert found["shift_adabn"]["rmse"] != found["shift"]["rmse"]
    assert all(torch.equal(before[name], values) for name, values in network.state_dict().items())
