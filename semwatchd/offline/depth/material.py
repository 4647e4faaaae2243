"""What a training learns from and is judged by."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from semwatchd.offline.depth.data import Feed, Frames, load, split
from semwatchd.offline.depth.denoising import denoised, train_front
from semwatchd.offline.depth.orders import Front, TrainingOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Scenes on the device; none of ``test`` or ``shift`` is in ``train``."""

    train: Frames
    test: Frames
    shift: Frames | None
    sha256: str  #: of the files the training scenes are from

    def feed(self, order: TrainingOrder) -> Feed:
        """Return the order's batches of training scenes."""
        return Feed(self.train, order.shots, order.batch, order.seed, order.defocus_px)


def gather(order: TrainingOrder, device: torch.device) -> Material:
    """Read all data the order names, and denoise it where the order wants that."""
    data = load(order.data)
    train, test = split(data.frames) if order.test is None else (data.frames, load([order.test]).frames)
    shift = load([order.shift]).frames if order.shift else None
    material = Material(
        train=train.to(device),
        test=test.to(device),
        shift=shift.to(device) if shift else None,
        sha256=data.sha256,
    )
    return material if order.front is Front.NONE else _behind_front(order, material, device)


def _behind_front(order: TrainingOrder, material: Material, device: torch.device) -> Material:
    """Put a denoiser before everything; it has seen the training frames only."""
    network = train_front(order.front, material.feed(order), order.steps, device, order.seed)
    return Material(
        train=denoised(network, material.train),
        test=denoised(network, material.test),
        shift=denoised(network, material.shift) if material.shift else None,
        sha256=material.sha256,
    )
