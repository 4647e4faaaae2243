"""What is known of trained weights: a JSON file beside them. Loads no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from semwatchd.core.errors import EnvironmentFault

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


def read_manifest(weights: Path) -> Manifest:
    """Read what is known of the weights in this file, from the ``.json`` beside it.

    Raises
    ------
    UnusableWeightsError
        The manifest is missing, is none, or comes from a newer version.
    """
    path = weights.with_suffix(".json")
    try:
        manifest = Manifest(**json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UnusableWeightsError(f"{path} is no manifest of trained weights ({error})") from error
    if manifest.format != FORMAT:
        raise UnusableWeightsError(f"{path} is of another format than this version reads; update semwatchd")
    return manifest
