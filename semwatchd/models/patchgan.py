"""The discriminator of pix2pix, which judges patches (Isola et al., 2017, doi:10.1109/CVPR.2017.632)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

MOST_WIDTHS = 8  # the channels grow up to so many times the first layer's


class PatchGAN(nn.Module):
    """Judges pairs of a frame and a depth map; ``layers`` is the number of steps of stride 2."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        steps: list[nn.Module] = [nn.Conv2d(2, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        here = width
        for layer in range(1, layers + 1):
            there = width * min(2**layer, MOST_WIDTHS)
            stride = 2 if layer < layers else 1
            convolution = nn.Conv2d(here, there, 4, stride, 1, bias=False)
            steps += [convolution, nn.BatchNorm2d(there), nn.LeakyReLU(0.2)]
            here = there
        self.net = nn.Sequential(*steps, nn.Conv2d(here, 1, 4, 1, 1))

    def forward(self, frames: Tensor, depth: Tensor) -> Tensor:
        """Return logits, one per patch: above 0 where the depth seems real."""
        return cast("Tensor", self.net(torch.cat([frames, depth], 1)))
