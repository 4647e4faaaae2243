"""U-Net with two 3x3 convolutions per level (Ronneberger et al., 2015, doi:10.1007/978-3-319-24574-4_28).

Its decoder enlarges by interpolation and mixes by 1x1 convolutions: transposed convolutions leave a
checkerboard (Odena et al., 2016, doi:10.23915/distill.00003). The head is linear: a depth at the end of the
scale must not be squeezed.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from semwatchd.models.padding import cropped, padded


class UNet(nn.Module):
    """One grey channel in, one out, of the same size."""

    def __init__(self, levels: int, width: int) -> None:
        super().__init__()
        channels = [width * 2**level for level in range(levels + 1)]
        ways_in = [1, *channels[:-1]]
        self.multiple = 2**levels
        self.encoder = nn.ModuleList(_block(i, o) for i, o in zip(ways_in, channels, strict=True))
        self.narrow = nn.ModuleList(nn.Conv2d(deep, here, 1) for here, deep in pairwise(channels))
        self.decoder = nn.ModuleList(_block(2 * here, here) for here in channels[:-1])
        self.head = nn.Conv2d(width, 1, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """Map (n, 1, rows, columns) to the same shape."""
        flow = padded(frames, self.multiple)
        kept = []
        for level, block in enumerate(self.encoder):
            flow = block(functional.max_pool2d(flow, 2) if level else flow)
            kept.append(flow)
        kept.pop()
        for narrow, block in zip(reversed(self.narrow), reversed(self.decoder), strict=True):
            wide = functional.interpolate(narrow(flow), scale_factor=2, mode="bilinear", align_corners=False)
            flow = block(torch.cat([wide, kept.pop()], 1))
        return cropped(self.head(flow), frames)


def _block(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(*_convolution(channels_in, channels_out), *_convolution(channels_out, channels_out))


def _convolution(channels_in: int, channels_out: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    ]
