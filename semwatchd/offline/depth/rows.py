"""The rows of the depth table, what each is compared with, and how large it is made. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from semwatchd.offline.depth.orders import Adversary, Front, Loss, Optimiser, Shots


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """How much data and training each row gets."""

    train: int  #: scenes
    test: int  #: scenes; as many of the shifted domain
    steps: int
    batch: int
    seeds: tuple[int, ...] = (1, 2, 3)


class PresetName(StrEnum):
    """How large a table."""

    SMALL = "small"  #: half an hour on two cores
    FULL = "full"  #: hours on a GPU


# Small: a step of all rows and seeds was measured as 5.2 s of processor time, what is not training as 400 s
# in all; 440 steps make 2,700 s, which is 23 minutes of two cores. See docs/how-to/train-depth.md.
PRESETS: Mapping[PresetName, Preset] = MappingProxyType(
    {
        PresetName.SMALL: Preset(train=2000, test=400, steps=440, batch=8),
        PresetName.FULL: Preset(train=20_000, test=2000, steps=10_000, batch=64),
    }
)


@dataclass(frozen=True, slots=True)
class Row:
    """One way to train; ``changes`` are fields of a :class:`TrainingOrder`."""

    name: str
    title: str
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Claim:
    """A question that two rows answer: is ``this`` better than ``that`` on ``score``?"""

    question: str
    this: str
    that: str
    score: str = "test"


def _pix2pix(levels: int, adversary: Adversary = Adversary.BCE, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 — an order's fields
    return {
        "architecture": f"pix2pix-{levels}-64",
        "loss": Loss.L1,
        "optimiser": Optimiser.ADAM,
        "shots": Shots.ONE,
        "adversary": adversary,
    } | changes


def _unet(width: int, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "architecture": f"unet-2-{width}",
        "loss": Loss.MSE,
        "optimiser": Optimiser.ONE_CYCLE,
        "shots": Shots.ONE,
    } | changes


_OURS = _unet(16, loss=Loss.HUBER_GRADIENT, shots=Shots.ANY, ema=0.99)


ROWS = (
    Row("pix2pix-3", "pix2pix, 3 levels, BCE", _pix2pix(3)),
    Row("pix2pix-3-lsgan", "pix2pix, 3 levels, least squares", _pix2pix(3, Adversary.LSGAN)),
    Row("pix2pix-2", "pix2pix, 2 levels, BCE", _pix2pix(2)),
    Row("pix2pix-4", "pix2pix, 4 levels, BCE", _pix2pix(4)),
    Row("plain-3", "3 levels without discriminator", _pix2pix(3, Adversary.NONE)),
    Row("plain-2", "2 levels without discriminator", _pix2pix(2, Adversary.NONE)),
    Row("pix2pix-2-ndf16", "pix2pix, 2 levels, ndf 16", _pix2pix(2, critic_width=16)),
    Row("pix2pix-3-deep", "pix2pix, 3 levels, deeper discriminator", _pix2pix(3, critic_layers=3)),
    Row("every-10", "pix2pix, 2 levels, discriminator every 10th step", _pix2pix(2, critic_every=10)),
    Row(
        "seed-exact",
        "the same, with an RMSE by NumPy in the loss",
        _pix2pix(2, critic_every=10, loss=Loss.L1_PRINTED_RMSE),
    ),
    Row(
        "noise2self-transfer",
        "2 levels without discriminator, then Noise2Self on shifted frames",
        _pix2pix(2, Adversary.NONE, transfer=True),
    ),
    Row("unet-16", "U-Net, 2 levels, width 16, MSE", _unet(16)),
    Row("unet-32", "U-Net, 2 levels, width 32, MSE", _unet(32)),
    Row("noise2self-front", "U-Net width 16 behind a Noise2Self denoiser", _unet(16, front=Front.NOISE2SELF)),
    Row(
        "noise2noise-front",
        "U-Net width 16 behind a Noise2Noise denoiser",
        _unet(16, front=Front.NOISE2NOISE),
    ),
    Row(
        "ours",
        "U-Net width 16, Huber and gradient, averaged weights, one to four shots",
        _OURS,
    ),
    Row("ours-muon", "the same, with Muon", _OURS | {"optimiser": Optimiser.MUON}),
)

CLAIMS = (
    Claim("Does the GAN help, at 3 levels?", "pix2pix-3", "plain-3"),
    Claim("Does the GAN help, at 2 levels?", "pix2pix-2", "plain-2"),
    Claim("Do 2 levels beat 3?", "pix2pix-2", "pix2pix-3"),
    Claim("Do 3 levels beat 4?", "pix2pix-3", "pix2pix-4"),
    Claim("Is BCE better than least squares?", "pix2pix-3", "pix2pix-3-lsgan"),
    Claim("Is a discriminator of width 16 better than 64?", "pix2pix-2-ndf16", "pix2pix-2"),
    Claim("Is a deeper discriminator better?", "pix2pix-3-deep", "pix2pix-3"),
    Claim("Does an RMSE by NumPy in the loss help?", "seed-exact", "every-10"),
    Claim(
        "Does Noise2Self help as a transfer, where it was applied?", "noise2self-transfer", "plain-2", "shift"
    ),
    Claim("Does Noise2Self help as a denoiser in front?", "noise2self-front", "unet-16"),
    Claim("Does Noise2Noise help as a denoiser in front?", "noise2noise-front", "unet-16"),
    Claim("Is Noise2Noise better than Noise2Self in front?", "noise2noise-front", "noise2self-front"),
    Claim("Does a U-Net beat the pix2pix generator?", "unet-16", "plain-2"),
    Claim("Does twice the width help?", "unet-32", "unet-16"),
    Claim("Does Muon beat AdamW?", "ours-muon", "ours"),
)
