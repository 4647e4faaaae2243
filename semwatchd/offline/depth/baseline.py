"""What networks must beat: ``python -m semwatchd.offline.depth.baseline`` with the order as JSON on stdin."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from semwatchd.models.retrieval import Retrieval
from semwatchd.offline.depth.data import Frames, load, mean_shot
from semwatchd.offline.depth.device import serve
from semwatchd.offline.depth.orders import BaselineOrder
from semwatchd.offline.depth.scoring import BATCH, Score, score


def measure(order: BaselineOrder) -> Mapping[str, Any]:
    """Score memory (the known scene that looks most alike) and ignorance (the mean of all depths)."""
    torch.set_num_threads(order.threads)
    train, test, shift = (load([folder]).frames for folder in (order.data, order.test, order.shift))
    remember = Retrieval(mean_shot(train, train.sem.shape[1])[:, 0], train.depth)
    unseen = shift.part(slice(len(shift) // 2, None))
    start_s = time.process_time()
    alike = {
        "test": score(_recalled(remember, test, 1), test),
        "test_all_shots": score(_recalled(remember, test, test.sem.shape[1]), test),
        "shift": score(_recalled(remember, unseen, 1), unseen),
    }
    spent_s = time.process_time() - start_s
    return {
        "retrieval": {name: asdict(found) for name, found in alike.items()},
        "retrieval_images_per_s": (2 * len(test) + len(unseen)) / spent_s,
        "mean_depth": {"test": asdict(mean_depth(train, test)), "shift": asdict(mean_depth(train, unseen))},
    }


def mean_depth(train: Frames, test: Frames) -> Score:
    """Score what knows nothing of the picture: the mean depth at each pixel's place."""
    return score(train.depth.float().mean(0).expand(len(test), -1, -1), test)


def _recalled(remember: Retrieval, frames: Frames, shots: int) -> Tensor:
    grey = mean_shot(frames, shots)[:, 0]
    parts = [remember(grey[first : first + BATCH]) for first in range(0, len(grey), BATCH)]
    return torch.cat(parts).float()


if __name__ == "__main__":
    sys.exit(serve(lambda: measure(BaselineOrder(**json.loads(sys.stdin.read())))))
