"""What a training has reached, on disk: a kill costs the steps since, and nothing else."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field

import torch

from semwatchd.core.files import write_whole
from semwatchd.offline.depth.orders import TrainingOrder, in_folder
from semwatchd.offline.depth.trainer import Trainer


@dataclass(slots=True)
class Progress:
    """What is known of the way so far, over all runs."""

    metrics: list[dict[str, float]] = field(default_factory=list)
    cpu_s: float = 0.0  #: of the steps


def save_progress(order: TrainingOrder, trainer: Trainer, progress: Progress) -> None:
    """Write the state, whole, and the metrics for people."""
    buffer = io.BytesIO()
    torch.save({"trainer": trainer.state(), "metrics": progress.metrics, "cpu_s": progress.cpu_s}, buffer)
    write_whole(in_folder(order, "state.pt"), buffer.getvalue())
    lines = "".join(json.dumps(line) + "\n" for line in progress.metrics)
    write_whole(in_folder(order, "metrics.jsonl"), lines.encode())


def take_up(order: TrainingOrder, trainer: Trainer) -> Progress:
    """Bring the trainer to the state that was saved last; loads tensors and numbers, runs no pickled code."""
    path = in_folder(order, "state.pt")
    if not path.exists():
        return Progress()
    state = torch.load(path, map_location="cpu", weights_only=True)
    trainer.restore(state["trainer"])
    return Progress(metrics=state["metrics"], cpu_s=state["cpu_s"])


def forget_progress(order: TrainingOrder) -> None:
    """Remove the state of a training that is finished: with its optimisers it is larger than the model."""
    in_folder(order, "state.pt").unlink(missing_ok=True)
