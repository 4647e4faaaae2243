import pytest
import torch

from semwatchd.models.networks import Architecture, build
from semwatchd.models.noise import PHASES, blinded, noise2noise_loss, noise2self_loss


def noisy(count: int = 2, side: int = 16) -> torch.Tensor:
    return torch.randn(count, 1, side, side, generator=torch.Generator().manual_seed(0))


def test_every_pixel_is_hidden_in_exactly_one_phase() -> None:
    hidden = torch.stack([blinded(noisy(), phase)[1] for phase in range(PHASES)])
    assert torch.equal(hidden.sum(0), torch.ones(16, 16))


def test_a_hidden_pixel_becomes_the_mean_of_its_neighbours() -> None:
    frames = noisy(1)
    shown, hidden = blinded(frames, phase=5)
    assert hidden[1, 1] == hidden[5, 9] == 1
    ring = frames[0, 0, 4:7, 8:11]
    assert shown[0, 0, 5, 9].item() == pytest.approx(((ring.sum() - ring[1, 1]) / 8).item(), abs=1e-6)
    assert torch.equal(shown[..., hidden == 0], frames[..., hidden == 0])


def test_no_hidden_pixels_result_depends_on_its_own_value() -> None:
    network = build(Architecture.named("unet-2-8")).eval()
    frames = noisy(1)
    changed = frames.clone()
    changed[0, 0, 5, 9] += 100  # hidden in phase 5
    with torch.no_grad():
        for phase in range(PHASES):
            before, after = (network(blinded(x, phase)[0])[0, 0, 5, 9].item() for x in (frames, changed))
            assert (before == after) is (phase == 5)


def test_copying_the_input_does_not_pay_under_a_blind_spot() -> None:
    frames = noisy(8, side=64)
    copying = noise2self_loss(lambda shown: shown, frames, phase=5).item()
    constant = noise2self_loss(torch.zeros_like, frames, phase=5).item()
    assert copying == pytest.approx(9 / 8, rel=0.1)  # the noise, and that of the mean of eight
    assert constant == pytest.approx(1.0, rel=0.1)


def test_a_second_frame_has_noise_of_its_own() -> None:
    truth, dice = torch.linspace(0, 3, 192).view(1, 1, 16, 12), torch.Generator().manual_seed(1)
    first, second = (truth + torch.randn(50, 1, 16, 12, generator=dice) for _ in range(2))
    assert noise2noise_loss(lambda x: x, first, second).item() == pytest.approx(2.0, rel=0.1)
    assert noise2noise_loss(truth.expand_as, first, second).item() == pytest.approx(1, rel=0.1)
