"""Batch normalisation that has learned its statistics is a factor and an offset: put into the convolution."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise
from typing import cast

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def folded(network: nn.Module) -> nn.Module:
    """Copy a network in evaluation mode, with every normalisation in the convolution before it."""
    copy = deepcopy(network)
    for sequence in [module for module in copy.modules() if isinstance(module, nn.Sequential)]:
        _fold(sequence)
    return copy


def _fold(sequence: nn.Sequential) -> None:
    for place, (step, norm) in enumerate(pairwise(list(sequence))):
        if isinstance(step, nn.Conv2d | nn.ConvTranspose2d) and isinstance(norm, nn.BatchNorm2d):
            transposed = isinstance(step, nn.ConvTranspose2d)
            sequence[place] = fuse_conv_bn_eval(cast("nn.Conv2d", step), norm, transpose=transposed)
            sequence[place + 1] = nn.Identity()
