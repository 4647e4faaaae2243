from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from semwatchd.models.adabn import follow, recompute_statistics
from semwatchd.models.networks import Architecture, build


def sorted_by_brightness() -> Tensor:
    """512 frames whose means are spread far wider than what is in each, in order, as in a sorted folder."""
    dice = torch.Generator().manual_seed(0)
    return torch.linspace(-3, 3, 512).view(512, 1, 1, 1) + 0.1 * torch.randn(512, 1, 8, 8, generator=dice)


def statistics(frames: Tensor, batch: int = 32) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(1)
    recompute_statistics(nn.Sequential(norm), frames, seed=1, batch=batch)
    return norm


def values(tensor: Tensor | None) -> float:
    assert tensor is not None
    return tensor.item()


def test_the_statistics_are_those_of_the_frames_whatever_their_order() -> None:
    frames = sorted_by_brightness()
    norm = statistics(frames)
    assert values(norm.running_mean) == pytest.approx(frames.mean().item(), abs=1e-4)
    assert values(norm.running_var) == pytest.approx(frames.var().item(), rel=0.05)
    backwards = statistics(frames.flip(0))
    assert values(backwards.running_var) == pytest.approx(values(norm.running_var), rel=0.05)


def test_without_shuffling_a_sorted_folder_would_lose_nearly_all_variance() -> None:
    frames = sorted_by_brightness()
    within = torch.stack([part.var() for part in frames.view(16, -1)]).mean().item()
    assert within < 0.05 * frames.var().item()


def test_momentum_and_mode_are_as_before_and_weights_untouched() -> None:
    network = build(Architecture.named("unet-2-8"))
    before = deepcopy(network)
    recompute_statistics(network, torch.rand(70, 1, 16, 16), seed=0)
    assert not network.training
    assert {m.momentum for m in network.modules() if isinstance(m, nn.BatchNorm2d)} == {0.1}
    assert all(map(torch.equal, network.parameters(), before.parameters()))


def test_averaged_weights_need_statistics_of_their_own() -> None:
    torch.manual_seed(0)
    live = build(Architecture.named("unet-2-8"))
    average = deepcopy(live)
    with torch.no_grad():
        for weight in live.parameters():
            weight.mul_(3)
    follow(average, live, decay=0.5)
    first, was = next(average.parameters()), next(live.parameters())
    assert torch.allclose(first, was * (2 / 3), atol=1e-6)
    frames = torch.rand(128, 1, 16, 16)
    average.train()
    with torch.no_grad():
        wanted = average(frames)
    stale = average.eval()(frames)
    recompute_statistics(average, frames, seed=0, batch=128)
    assert torch.allclose(average(frames), wanted, atol=2e-2)
    assert not torch.allclose(stale, wanted, atol=1e-1)
