"""Train a depth network: ``python -m semwatchd.offline.depth.train`` with the order as JSON on stdin.

Tells of its progress and its result on standard output, as JSON lines. A killed training goes on from the
last state it has saved, and ends with the same weights as one that was not killed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from semwatchd.core.files import write_whole
from semwatchd.models.adabn import recompute_statistics
from semwatchd.models.checkpoint import save_model
from semwatchd.models.manifest import Manifest
from semwatchd.models.networks import MIDDLE, Architecture, parameter_count, to_network
from semwatchd.offline.depth.curve import write_curve
from semwatchd.offline.depth.data import Feed, mean_shot
from semwatchd.offline.depth.denoising import transfer
from semwatchd.offline.depth.device import chosen_device, serve
from semwatchd.offline.depth.domain import training_domain
from semwatchd.offline.depth.material import Material, gather
from semwatchd.offline.depth.orders import TrainingOrder, WrongOrderError, in_folder, tell, training_order
from semwatchd.offline.depth.preview import write_preview
from semwatchd.offline.depth.scoring import clock_of, images_per_s, score_all
from semwatchd.offline.depth.state import Progress, forget_progress, save_progress, take_up
from semwatchd.offline.depth.trainer import Trainer
from semwatchd.synth.scene import PIXEL_SIZE_NM

REPORT_STEPS = 20  # between two lines of the metrics
SAVE_S = 30.0  # between two states: what a kill can cost
STATISTICS_SCENES = 2048  # whose frames the averaged weights get their statistics from


def train(order: TrainingOrder, clock: Callable[[], float] = time.monotonic) -> Mapping[str, Any]:
    """Train, save the model, score it; what is finished already is not done again."""
    Architecture.named(order.architecture)
    _claim(order)
    if (result := in_folder(order, "result.json")).exists():
        tell({"steps": order.steps})
        return dict(json.loads(result.read_text("utf-8")))
    torch.set_num_threads(order.threads)
    device = chosen_device(order.device)
    material = gather(order, device)
    trainer = Trainer(order, material.feed(order), device)
    progress = take_up(order, trainer)
    _go_on(order, trainer, progress, clock)
    _settle(order, trainer.average, material)
    return _finish(order, trainer.average, material, progress)


def _claim(order: TrainingOrder) -> None:
    """Make the folder this training's."""
    path = in_folder(order, "order.json")
    asked = json.dumps(asdict(order), indent=2) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.read_text("utf-8") != asked:
        raise WrongOrderError(f"{order.out} holds another training; name another folder, or delete this one")
    write_whole(path, asked.encode())


def _go_on(order: TrainingOrder, trainer: Trainer, progress: Progress, clock: Callable[[], float]) -> None:
    """Do the steps that are missing, and save what is reached now and then."""
    tell({"steps": trainer.done})
    saved_s = clock()
    while trainer.done < order.steps:
        before_s = time.process_time()
        seen = trainer.step()
        progress.cpu_s += time.process_time() - before_s
        tell({"steps": 1})
        if trainer.done % REPORT_STEPS == 0 or trainer.done == order.steps:
            progress.metrics.append({"step": trainer.done, **seen})
        if trainer.done == order.steps or clock() - saved_s > SAVE_S:
            save_progress(order, trainer, progress)
            saved_s = clock()


def _settle(order: TrainingOrder, network: nn.Module, material: Material) -> None:
    """Give averaged weights their statistics, and do what the order wants after the training."""
    if order.ema:
        frames = material.train.spread(STATISTICS_SCENES)
        recompute_statistics(network, to_network(mean_shot(frames, 1)), order.seed)
    if order.transfer_steps and material.shift is not None:
        unlabeled = material.shift.part(slice(len(material.shift) // 2))
        transfer(network, Feed(unlabeled, order.shots, order.batch, order.seed), order.transfer_steps)
    # As it is kept: what is scored is what can be loaded.
    network.half().float().eval()


def _finish(
    order: TrainingOrder, network: nn.Module, material: Material, progress: Progress
) -> Mapping[str, Any]:
    """Score the model and save it with its figures."""
    scores = score_all(network, order.shots, material.test, material.shift)
    clock = clock_of(material.test.sem.device)
    result = {
        "scores": scores,
        "images_per_s": images_per_s(network, mean_shot(material.test, 1), clock),
        "parameters": parameter_count(network),
        "training_cpu_s": progress.cpu_s,
        "last": progress.metrics[-1] if progress.metrics else {},
    }
    manifest = Manifest(
        architecture=order.architecture,
        shots=order.shots,
        pixel_size_nm=PIXEL_SIZE_NM,
        middle=MIDDLE,
        data=material.sha256,
        command=_command(order),
        rmse={name: found["rmse"] for name, found in scores.items()},
        weights="",
        domain=_domain(order, network, material),
    )
    save_model(in_folder(order, "model.safetensors"), network, manifest)
    write_preview(in_folder(order, "preview.png"), network, material.test)
    write_curve(in_folder(order, "curve.png"), progress.metrics)
    write_whole(in_folder(order, "result.json"), json.dumps(result, indent=2).encode() + b"\n")
    forget_progress(order)
    return result


def _domain(order: TrainingOrder, network: nn.Module, material: Material) -> dict[str, tuple[float, float]]:
    step = 2 ** Architecture.named(order.architecture).levels
    return training_domain(deepcopy(network).cpu(), step, material.train, order.shots)


def _command(order: TrainingOrder) -> str:
    """Return what would train the same again, without the machine's paths."""
    facts = {key: value for key, value in asdict(order).items() if key not in PLACES}
    return "semwatchd train depth: " + json.dumps(facts)


PLACES = frozenset({"data", "out", "test", "shift", "device", "threads"})


if __name__ == "__main__":
    sys.exit(serve(lambda: train(training_order(sys.stdin.read()))))
