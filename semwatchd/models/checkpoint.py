"""Trained networks on disk: float16 weights as safetensors, and a manifest that says what they are.

Loading runs no code from the file: safetensors holds numbers only, and the manifest is JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from semwatchd.core.files import write_whole
from semwatchd.models.manifest import Manifest, UnusableWeightsError, read_manifest
from semwatchd.models.networks import MIDDLE, Architecture, UnknownArchitectureError, build


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
    manifest = read_manifest(path)
    if manifest.middle != MIDDLE:
        raise UnusableWeightsError(f"{path} is of another format than this version reads; update semwatchd")
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


def _halved(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Halve the size of all fractions; counters stay as they are."""
    return {
        name: (values.half() if values.is_floating_point() else values).cpu().contiguous()
        for name, values in state.items()
    }
