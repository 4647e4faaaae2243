"""The generator of pix2pix (Isola et al., 2017, doi:10.1109/CVPR.2017.632), with a free number of levels.

Each level is a 4x4 convolution of stride 2 on the way down and a transposed one on the way up, with a skip
between. No instance normalisation anywhere: it removes the absolute level, which carries the depth.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from semwatchd.models.padding import cropped, padded

MOST_WIDTHS = 8  # the channels grow up to so many times the first level's


class Pix2PixGenerator(nn.Module):
    """One grey channel in, one out, of the same size, between -1 and 1."""

    def __init__(self, levels: int, width: int) -> None:
        super().__init__()
        channels = [width * min(2**level, MOST_WIDTHS) for level in range(levels)]
        self.multiple = 2**levels
        self.down = nn.ModuleList(_down(level, channels) for level in range(levels))
        self.up = nn.ModuleList(_up(level, channels) for level in reversed(range(levels)))

    def forward(self, frames: Tensor) -> Tensor:
        """Map (n, 1, rows, columns) to the same shape."""
        flow = padded(frames, self.multiple)
        kept = []
        for step in self.down:
            flow = step(flow)
            kept.append(flow)
        flow = self.up[0](kept.pop())
        for step in self.up[1:]:
            flow = step(torch.cat([flow, kept.pop()], 1))
        return cropped(flow, frames)


def _down(level: int, channels: list[int]) -> nn.Sequential:
    """Halve; the outermost and the innermost step have no normalisation, as in the paper."""
    bare = level in {0, len(channels) - 1}
    steps: list[nn.Module] = [nn.LeakyReLU(0.2)] if level else []
    steps.append(nn.Conv2d(channels[level - 1] if level else 1, channels[level], 4, 2, 1, bias=bare))
    return nn.Sequential(*steps, *([] if bare else [nn.BatchNorm2d(channels[level])]))


def _up(level: int, channels: list[int]) -> nn.Sequential:
    innermost = level == len(channels) - 1
    come_in = channels[level] * (1 if innermost else 2)
    if level == 0:
        return nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(come_in, 1, 4, 2, 1), nn.Tanh())
    go_out = channels[level - 1]
    enlarge = nn.ConvTranspose2d(come_in, go_out, 4, 2, 1, bias=False)
    return nn.Sequential(nn.ReLU(), enlarge, nn.BatchNorm2d(go_out))
