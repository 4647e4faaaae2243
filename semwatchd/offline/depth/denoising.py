"""Denoisers as a front, and the self-supervised transfer that spoils a depth network."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from semwatchd.models.networks import Architecture, build, from_network, to_network
from semwatchd.models.noise import PHASES, noise2noise_loss, noise2self_loss
from semwatchd.offline.depth.data import Feed, Frames
from semwatchd.offline.depth.device import laid_out, placed
from semwatchd.offline.depth.orders import Front

DENOISER = "unet-2-16"
RATE = 1e-3
TRANSFER_RATE = 2e-4
BATCH = 64


def train_front(front: Front, feed: Feed, steps: int, device: torch.device, seed: int) -> nn.Module:
    """Train a denoiser on frames alone."""
    torch.manual_seed(seed)
    network = placed(device, build(Architecture.named(DENOISER)))
    _teach(network, front, feed, steps, RATE)
    return network


def transfer(network: nn.Module, feed: Feed, steps: int) -> None:
    """Go on training a depth network as if it were a denoiser, as the seed project's table did.

    Nothing holds its output to depth, so it drifts towards the picture: the row shows by how much.
    """
    _teach(network, Front.NOISE2SELF, feed, steps, TRANSFER_RATE)


@torch.inference_mode()
def denoised(network: nn.Module, frames: Frames) -> Frames:
    """Denoise every shot of every scene, each in one pass and with no pixel hidden."""
    shots = frames.sem.flatten(0, 1)[:, None]
    cleaned = torch.cat([_clean(network, batch) for batch in shots.split(BATCH)])  # type: ignore[no-untyped-call]
    return replace(frames, sem=cleaned.view_as(frames.sem))


def _clean(network: nn.Module, grey: Tensor) -> Tensor:
    frames = laid_out(to_network(grey))
    with torch.autocast(frames.device.type, torch.bfloat16):
        return from_network(network(frames)).round().to(torch.uint8)


def _teach(network: nn.Module, front: Front, feed: Feed, steps: int, rate: float) -> None:
    optimiser = torch.optim.Adam(network.parameters(), rate)
    network.train()
    for step in range(steps):
        first, second = (laid_out(to_network(grey)) for grey in feed.pairs(step))
        with torch.autocast(first.device.type, torch.bfloat16):
            if front is Front.NOISE2SELF:
                loss = noise2self_loss(network, first, step % PHASES)
            else:
                loss = noise2noise_loss(network, first, second)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    network.eval()
