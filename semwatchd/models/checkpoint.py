"""Trained networks on disk: float16 weights as safetensors, and a manifest that says what they are.

Loading runs no code from the file: safetensors holds numbers only, and the manifest is JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from semwatchd.core.errors import EnvironmentFault
from semwatchd.core.files import write_whole
from semwatchd.models.networks import MIDDLE, Architecture, UnknownArchitectureError, build

FORMAT = 1


class UnusableWeightsError(EnvironmentFault):
    """The weights or their manifest are missing, damaged, or of a kind this version does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What is known of trained weights."""

    architecture: str  #: like ``unet-2-16``
    shots: str  #: frames a prediction is made from: "one", or "any": the mean of one or more
    pixel_size_nm: float  #: of the training images
    middle: float  #: grey level and depth in nm that are 0 inside the network; also what makes 1
    data: str  #: SHA-256 of the training data
    command: str  #: that trained it
    rmse: Mapping[str, float]  #: in grey levels (nm), by the name of the set it was measured on
    weights: str  #: SHA-256 of the weights' file
    #: Between what each trait of the training pictures lies, by its name; what has no range is not judged.
    domain: Mapping[str, Sequence[float]] = field(default_factory=dict)
    format: int = FORMAT


def save_model(path: Path, network: nn.Module, manifest: Manifest) -> None:
    """Write weights to ``path`` (.safetensors) and, when they are there, the manifest beside them (.json)."""
    content = save(_halved(network.state_dict()))
    known = asdict(manifest) | {"weights": hashlib.sha256(content).hexdigest()}
    write_whole(path, content)
    write_whole(path.with_suffix(".json"), json.dumps(known, indent=2).encode() + b"\n")


def load_model(path: Path) -> tuple[nn.Module, Manifest]:
    """Read a network that :func:`save_model` has written, in evaluation mode and float32.

    Raises
    ------
    UnusableWeightsError
        A file is missing or unreadable, the weights are not those of the manifest, or this version does
        not know the architecture.
    """
    manifest = read_manifest(path.with_suffix(".json"))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnusableWeightsError(f"weights {path} cannot be read: {error.strerror}") from error
    if (there := hashlib.sha256(content).hexdigest()) != manifest.weights:
        raise UnusableWeightsError(
            f"weights {path} are not those of their manifest (SHA-256 {there[:12]}..., not "
            f"{manifest.weights[:12]}...); copy both files again"
        )
    try:
        network = build(Architecture.named(manifest.architecture))
        network.load_state_dict({name: values.float() for name, values in load(content).items()})
    except (UnknownArchitectureError, SafetensorError, RuntimeError) as error:
        raise UnusableWeightsError(f"weights {path} do not fit this version: {error}") from error
    return network.eval(), manifest


def read_manifest(path: Path) -> Manifest:
    """Read what is known of weights.

    Raises
    ------
    UnusableWeightsError
        The file is missing, is no manifest, or comes from a newer version.
    """
    try:
        manifest = Manifest(**json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UnusableWeightsError(f"{path} is no manifest of trained weights ({error})") from error
    if manifest.format != FORMAT or manifest.middle != MIDDLE:
        raise UnusableWeightsError(f"{path} is of another format than this version reads; update semwatchd")
    return manifest


def _halved(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Halve the size of all fractions; counters stay as they are."""
    return {
        name: (values.half() if values.is_floating_point() else values).cpu().contiguous()
        for name, values in state.items()
    }
