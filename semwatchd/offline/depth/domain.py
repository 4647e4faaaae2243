"""Between what the traits of the training pictures lie: what is outside, the network has not learned."""

from __future__ import annotations

import numpy as np
from torch import nn

from semwatchd.imaging.domain import ranges, traits
from semwatchd.offline.depth.data import Frames, mean_shot
from semwatchd.offline.depth.orders import Shots
from semwatchd.pipeline.inference.doubt import disagreements_nm
from semwatchd.pipeline.inference.model import DepthModel
from semwatchd.pipeline.inference.probe import Probe
from semwatchd.pipeline.inference.ways import EXACT, runner

SCENES = 256  # that tell the ranges


def training_domain(
    network: nn.Module, step: int, frames: Frames, shots: Shots
) -> dict[str, tuple[float, float]]:
    """Look at single frames, and at means of all frames if the network was trained on such.

    Parameters
    ----------
    network
        In evaluation mode, on the CPU.
    """
    counts = [1] if shots is Shots.ONE else [1, frames.sem.shape[1]]
    part = frames.spread(SCENES // len(counts))
    pictures = [
        picture
        for count in counts
        for picture in mean_shot(part, count)[:, 0].cpu().numpy().astype(np.float32)
    ]
    model = DepthModel(runner(network, EXACT), Probe.of(network), step)
    depths = [depth for depth in model.depths(pictures) if not isinstance(depth, Exception)]
    apart = disagreements_nm(model, pictures, depths)
    return ranges(
        [
            traits(picture) | {"disagreement_nm": far}
            for picture, far in zip(pictures, apart, strict=True)
            if far is not None
        ]
    )
