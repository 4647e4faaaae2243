import pytest
import torch
from torch import nn

from semwatchd.models.muon import ConvolutionMuon, is_mixing

RATE = 0.01


def layer() -> nn.Conv2d:
    torch.manual_seed(1)
    return nn.Conv2d(6, 4, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def step_of(convolution: nn.Conv2d) -> torch.Tensor:
    """Do one step; return by what the weight moved, beyond its decay, as a matrix."""
    muon = ConvolutionMuon([convolution.weight], RATE)
    before = convolution.weight.detach().clone()
    muon.zero_grad()
    convolution(torch.randn(2, 6, 8, 8)).square().mean().backward()
    muon.step()
    return (convolution.weight.detach() - before).flatten(1)


def test_a_step_moves_every_direction_about_equally() -> None:
    stretch = torch.linalg.svdvals(step_of(layer()))
    assert stretch.max() < 2 * stretch.min()


def test_the_rate_is_the_root_mean_square_of_a_step_on_adamws_scale() -> None:
    moved = step_of(layer())
    assert moved.square().mean().sqrt() == pytest.approx(0.2 * RATE, rel=0.2)


def test_the_loss_falls() -> None:
    convolution = layer()
    muon = ConvolutionMuon([convolution.weight], RATE)
    frames = torch.randn(2, 6, 8, 8)
    losses = []
    for _ in range(20):
        muon.zero_grad()
        loss = convolution(frames).square().mean()
        loss.backward()
        muon.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_only_what_mixes_channels_is_for_it() -> None:
    network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 1, 1))
    assert [is_mixing(weight) for weight in network.parameters()].index(True) == 4
    assert sum(is_mixing(weight) for weight in network.parameters()) == 1


def test_memory_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(RuntimeError, match="view size"):
        ConvolutionMuon([nn.Conv2d(6, 4, 3).weight], RATE)
