import math

import numpy as np
import pytest
import torch
from torch import Tensor

from semwatchd.offline.depth.focus import noise_weights, refocused
from semwatchd.synth.beam import Scan, scan

WIDEST_PX = 1.5
SHARP_PX, BLUNT_PX = 0.9, 1.35
ADDED_PX = math.sqrt(BLUNT_PX**2 - SHARP_PX**2)


def frames_of(spot_px: float, count: int, seed: int) -> Tensor:
    """Frames (count, rows, columns) of a bright stripe, as the simulator sees them."""
    scene = np.ones((96, 96), np.float32)
    scene[:, 40:56] = 2.0
    rng = np.random.default_rng(seed)
    settings = Scan(rows=64, columns=64, spot_px=spot_px, jitter_px=0.0, dose=100.0)
    return torch.from_numpy(np.stack([scan(rng, scene, settings) for _ in range(count)]).astype(np.float32))


def blunted(frames: Tensor, weights: Tensor, sigma_px: float) -> Tensor:
    """Refocus the averages by weights (n, shots) of the same frames."""
    dice = torch.Generator().manual_seed(3)
    grey = torch.einsum("khw,nk->nhw", frames, weights)[:, None]
    noise = torch.einsum("khw,nk->nhw", frames, noise_weights(dice, weights))[:, None]
    return refocused(grey, noise, torch.full((len(weights),), sigma_px), WIDEST_PX)[:, 0]


ONE_EACH = torch.eye(64)


def test_a_refocused_frame_is_that_of_a_blunter_spot() -> None:
    sharp = frames_of(SHARP_PX, 64, 1)
    truth = frames_of(BLUNT_PX, 64, 2).mean((0, 1))
    found = blunted(sharp, ONE_EACH, ADDED_PX).mean((0, 1))
    assert (found - truth).abs().max() < 1.0  # grey, of a step of 90; noise alone makes 0.8
    assert (sharp.mean((0, 1)) - truth).abs().max() > 5.0


def test_the_noise_stays_as_strong_and_as_white() -> None:
    frames = blunted(frames_of(SHARP_PX, 64, 1), ONE_EACH, ADDED_PX)
    flat = frames[:, 4:-4, 2:14] - frames[:, 4:-4, 2:14].mean(0)
    real = frames_of(BLUNT_PX, 64, 2)[:, 4:-4, 2:14]
    assert flat.std() == pytest.approx(float((real - real.mean(0)).std()), rel=0.03)
    for neighbour in (flat[:, :, :-1] * flat[:, :, 1:], flat[:, :-1] * flat[:, 1:]):
        assert abs(neighbour.mean()) < 0.03 * flat.square().mean()


def test_no_blur_changes_nothing() -> None:
    frames = frames_of(SHARP_PX, 4, 1)
    assert torch.allclose(blunted(frames, torch.eye(4), 0.0), frames, atol=1e-3)


@pytest.mark.parametrize("shots", [3, 4, 8])
def test_weights_of_noise_are_as_strong_independent_and_free_of_the_scene(shots: int) -> None:
    dice = torch.Generator().manual_seed(1)
    rank = torch.rand((50, shots), generator=dice).argsort(1)
    count = torch.randint(1, shots + 1, (50, 1), generator=dice)
    weights = (rank < count) / count
    found = noise_weights(dice, weights)
    assert found.sum(1).abs().max() < 1e-5
    assert (found * weights).sum(1).abs().max() < 1e-5
    assert torch.allclose(found.square().sum(1), weights.square().sum(1))
