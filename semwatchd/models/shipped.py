"""Where the weights are that come with semwatchd. Loads no torch, so that the supervisor may ask."""

from __future__ import annotations

from pathlib import Path

from semwatchd.core.errors import EnvironmentFault

SHIPPED = Path(__file__).parent / "weights" / "depth.safetensors"


def weights_or_shipped(named: Path | None) -> Path:
    """Return the weights a person has named, or those that come with semwatchd.

    Raises
    ------
    EnvironmentFault
        None are named, and none came with this version.
    """
    if named is not None:
        return named
    if not SHIPPED.exists():
        raise EnvironmentFault(
            "no weights come with this version; train some: 'semwatchd synth --out data', then "
            "'semwatchd train depth --data data --out model', then name model/model.safetensors"
        )
    return SHIPPED
