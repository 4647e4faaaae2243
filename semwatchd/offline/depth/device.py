"""What a training runs on, and how its process ends when it cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from semwatchd.core.errors import EnvironmentFault
from semwatchd.models.networks import UnknownArchitectureError
from semwatchd.offline.dataset import ForeignDatasetError
from semwatchd.offline.depth.orders import WrongOrderError, tell


def chosen_device(name: str) -> torch.device:
    """Return the device called ``auto``, ``cpu`` or ``cuda``.

    Raises
    ------
    EnvironmentFault
        CUDA was asked for and is not there.
    """
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise EnvironmentFault("torch sees no CUDA device here; use --device cpu, or look at nvidia-smi")
    return torch.device("cuda" if there and name != "cpu" else "cpu")


def placed(device: torch.device, network: nn.Module) -> nn.Module:
    """Bring a network there, channels last: bfloat16 convolutions are several times faster so."""
    there: nn.Module = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return there


def laid_out(frames: Tensor) -> Tensor:
    """Return frames as a placed network wants them."""
    return frames.contiguous(memory_format=torch.channels_last)


def serve(work: Callable[[], Mapping[str, Any]]) -> int:
    """Do the work and tell its result, or why there is none."""
    try:
        tell({"result": work()})
    except (WrongOrderError, ForeignDatasetError, UnknownArchitectureError) as error:
        tell({"wrong": str(error)})
    except (EnvironmentFault, OSError) as error:
        tell({"fault": str(error)})
    return 0
