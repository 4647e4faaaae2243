"""Batch-normalisation statistics for other weights or another domain (AdaBN: Li et al., 2018,
doi:10.1016/j.patcog.2018.03.005), and the average of weights that needs them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

BATCH = 64


@torch.no_grad()
def recompute_statistics(network: nn.Module, frames: Tensor, seed: int, batch: int = BATCH) -> None:
    """Replace the running statistics by those of ``frames`` (n, 1, rows, columns); needs no truth.

    The frames are shuffled first. The statistics are a mean over batches, so frames sorted by place or
    depth would lose the variance between the batches. The network is left in evaluation mode.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
    network.train()
    order = torch.randperm(len(frames), generator=torch.Generator().manual_seed(seed))
    for first in range(0, len(frames), batch):
        network(frames[order[first : first + batch].to(frames.device)])
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()


@torch.no_grad()
def follow(average: nn.Module, live: nn.Module, decay: float) -> None:
    """Move the averaged weights towards the live ones.

    Running statistics are not averaged: those of the live weights do not fit the average; use
    :func:`recompute_statistics` before it is evaluated.
    """
    for mean, current in zip(average.parameters(), live.parameters(), strict=True):
        mean.lerp_(current, 1 - decay)
