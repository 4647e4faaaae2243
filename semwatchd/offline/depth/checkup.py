"""What can be done here: ``python -m semwatchd.offline.depth.checkup`` with the order as JSON on stdin."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch

from semwatchd.models.networks import Architecture, build
from semwatchd.offline.depth.device import serve
from semwatchd.offline.depth.orders import CheckupOrder
from semwatchd.pipeline.inference.loading import attempts, ways
from semwatchd.pipeline.inference.probe import MOST_DEVIATION_NM
from semwatchd.pipeline.inference.ways import chosen

ARCHITECTURE = "unet-2-16"  # of the usual network; its weights do not matter here
SEED = 1


def look(order: CheckupOrder) -> Mapping[str, Any]:
    """Say what torch finds here, and how fast each way to run a network is."""
    torch.set_num_threads(order.threads)
    torch.manual_seed(SEED)
    network = build(Architecture.named(ARCHITECTURE)).eval()
    timings = [timing for device in _devices() for timing in attempts(network, ways(device))]
    best = chosen(timings, MOST_DEVIATION_NM)
    return {
        "torch": torch.__version__,
        "threads": order.threads,
        "cuda": torch.version.cuda,
        "gpus": [_gpu(number) for number in range(torch.cuda.device_count())],
        "architecture": ARCHITECTURE,
        "timings": [asdict(timing) for timing in timings],
        "chosen": asdict(best) if best else None,
    }


def _devices() -> tuple[str, ...]:
    return ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)


def _gpu(number: int) -> dict[str, Any]:
    free, total = torch.cuda.mem_get_info(number)
    return {"name": torch.cuda.get_device_name(number), "memory_bytes": total, "free_bytes": free}


if __name__ == "__main__":
    sys.exit(serve(lambda: look(CheckupOrder(**json.loads(sys.stdin.read())))))
