"""What networks are trained, scored and used for, and the process that does it. Loads no torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, cast

from semwatchd.core.errors import EnvironmentFault

Advance = Callable[[int], None]


class WrongOrderError(ValueError):
    """The order cannot be carried out, whatever the machine: a person must change it."""


class Loss(StrEnum):
    """What the depth is compared by."""

    L1 = "l1"
    L1_PRINTED_RMSE = "l1-printed-rmse"  #: L1 plus an RMSE made by NumPy: shows that it changes nothing
    MSE = "mse"
    RMSE = "rmse"
    HUBER_GRADIENT = "huber-gradient"  #: Huber, plus the distance of the gradients


class Adversary(StrEnum):
    """Whether a discriminator takes part, and by which loss."""

    NONE = "none"
    BCE = "bce"
    LSGAN = "lsgan"


class Optimiser(StrEnum):
    """How the weights move."""

    ADAM = "adam"  #: Adam, constant 2e-4, beta 0.5: that of pix2pix
    ONE_CYCLE = "one-cycle"  #: AdamW, up to 2e-3 and down to nothing
    MUON = "muon"  #: Muon for the convolutions, AdamW for the rest, up to 6e-3 and down


class Shots(StrEnum):
    """What the network sees in training."""

    ONE = "one"  #: one frame
    ANY = "any"  #: the mean of one to all frames of a scene: one network serves any number


class Front(StrEnum):
    """A denoiser before the network, trained on the same frames without truth."""

    NONE = "none"
    NOISE2SELF = "noise2self"
    NOISE2NOISE = "noise2noise"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOrder:
    """Everything a trained network depends on, and where it is kept."""

    data: tuple[str, ...]  #: folders of ``semwatchd synth``, of equal image size
    out: str
    test: str | None = None  #: folder; without it every tenth scene of ``data`` is kept back
    shift: str | None = None  #: folder with scenes of another microscope
    architecture: str = "unet-2-16"
    loss: Loss = Loss.HUBER_GRADIENT
    optimiser: Optimiser = Optimiser.MUON
    shots: Shots = Shots.ANY
    defocus_px: float = 0.0  #: half of the scenes are blurred by up to so much; 0: none
    ema: float = 0.0  #: decay of the averaged weights; 0: the last ones are taken
    adversary: Adversary = Adversary.NONE
    critic_width: int = 64
    critic_layers: int = 2
    critic_every: int = 1  #: steps of the generator to one of the discriminator
    front: Front = Front.NONE
    transfer_steps: int = 0  #: Noise2Self on frames of ``shift`` after the training
    steps: int = 2000
    batch: int = 64
    seed: int = 1
    device: str = "auto"
    threads: int = 1  #: of the CPU


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringOrder:
    """Which trained network, on which data."""

    model: str
    data: str
    shift: str | None = None
    device: str = "auto"
    threads: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineOrder:
    """What to compare networks with: memory and ignorance of these training scenes."""

    data: str
    test: str
    shift: str
    threads: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingOrder:
    """Which images get a depth map, and where it goes."""

    images: tuple[str, ...]
    out: str
    weights: str | None = None  #: a ``model.safetensors``; None: those that come with semwatchd
    device: str = "auto"
    threads: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckupOrder:
    """What can this machine do?"""

    threads: int = 1


Order = TrainingOrder | ScoringOrder | BaselineOrder | MappingOrder | CheckupOrder
PROGRAMS: Mapping[type[Order], str] = MappingProxyType(
    {
        TrainingOrder: "train",
        ScoringOrder: "score",
        BaselineOrder: "baseline",
        MappingOrder: "mapping",
        CheckupOrder: "checkup",
    }
)


def carry_out(order: Order, advance: Advance) -> Mapping[str, Any]:
    """Do it in a process of its own, which loads torch; return what was measured.

    ``advance`` hears of training steps or images that are done, also of those of an earlier, interrupted run.

    Raises
    ------
    WrongOrderError
        It cannot be done as asked.
    EnvironmentFault
        It cannot be done here, or not now; what was reached is kept and used the next time.
    """
    require_torch()
    process = subprocess.Popen(
        [sys.executable, "-m", f"semwatchd.offline.depth.{PROGRAMS[type(order)]}"],
        stdin=subprocess.PIPE,  # thousands of images do not fit into the arguments
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": str(order.threads)},
    )
    try:
        with suppress(BrokenPipeError), cast("IO[str]", process.stdin) as orders:
            orders.write(json.dumps(asdict(order)))
        return _heard(cast("IO[str]", process.stdout), advance)
    finally:
        process.terminate()
        process.wait()
        cast("IO[str]", process.stdout).close()


def require_torch() -> None:
    """Say what to install where it is missing.

    Raises
    ------
    EnvironmentFault
        It is.
    """
    if find_spec("torch") is None:
        raise EnvironmentFault("torch is not installed: pip install 'semwatchd[models]'")


def _heard(answers: IO[str], advance: Advance) -> Mapping[str, Any]:
    for event in _events(answers):
        match event:
            case {"steps": int(steps)}:
                advance(steps)
            case {"result": dict(result)}:
                return result
            case {"wrong": str(reason)}:
                raise WrongOrderError(reason)
            case {"fault": str(reason)}:
                raise EnvironmentFault(reason)
    raise EnvironmentFault("the process that does it ended early, killed perhaps; start again to go on")


def _events(answers: IO[str]) -> Iterator[Any]:
    for line in answers:
        with suppress(ValueError):  # a line torn by a kill
            yield json.loads(line)


def tell(event: Mapping[str, Any]) -> None:
    """Tell the asking process something; called in the one that works."""
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def training_order(text: str) -> TrainingOrder:
    """Read the order that :func:`carry_out` has written."""
    content = json.loads(text)
    return TrainingOrder(
        **content
        | {
            "data": tuple(content["data"]),
            "loss": Loss(content["loss"]),
            "optimiser": Optimiser(content["optimiser"]),
            "shots": Shots(content["shots"]),
            "adversary": Adversary(content["adversary"]),
            "front": Front(content["front"]),
        }
    )


def in_folder(order: TrainingOrder, name: str) -> Path:
    """Return the path of one of a training's files."""
    return Path(order.out) / name
