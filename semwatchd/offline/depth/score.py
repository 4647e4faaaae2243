"""Score a trained network: ``python -m semwatchd.offline.depth.score`` with the order as JSON on stdin."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from semwatchd.models.checkpoint import load_model
from semwatchd.models.networks import parameter_count
from semwatchd.offline.depth.data import load, mean_shot
from semwatchd.offline.depth.device import chosen_device, placed, serve
from semwatchd.offline.depth.orders import ScoringOrder, Shots, WrongOrderError
from semwatchd.offline.depth.scoring import clock_of, images_per_s, score_all


def evaluate(order: ScoringOrder) -> Mapping[str, Any]:
    """Load the model and score it on scenes it was not trained on."""
    torch.set_num_threads(order.threads)
    device = chosen_device(order.device)
    network, manifest = load_model(Path(order.model))
    data = load([order.data])
    if data.sha256 == manifest.data:
        raise WrongOrderError(
            f"{order.data} is what the model was trained on; make another with another --seed"
        )
    network = placed(device, network)
    test = data.frames.to(device)
    shift = load([order.shift]).frames.to(device) if order.shift else None
    return {
        "architecture": manifest.architecture,
        "scenes": len(test),
        "scores": score_all(network, Shots(manifest.shots), test, shift),
        "images_per_s": images_per_s(network, mean_shot(test, 1), clock_of(device)),
        "parameters": parameter_count(network),
    }


if __name__ == "__main__":
    sys.exit(serve(lambda: evaluate(ScoringOrder(**json.loads(sys.stdin.read())))))
