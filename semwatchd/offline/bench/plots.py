"""The figures of ``bench accuracy`` as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from semwatchd.offline.bench.peers import peer

DPI = 90
METADATA = {"Software": None}  # so that a picture changes only when its figures do


def draw(document: Mapping[str, Any], directory: Path) -> None:
    """Write one PNG per question.

    Raises
    ------
    PeerMissingError
        matplotlib is not installed.
    """
    peer("matplotlib").use("Agg")
    pyplot = peer("matplotlib.pyplot")
    directory.mkdir(parents=True, exist_ok=True)
    for name, plot in (("registration", _registration), ("snr", _snr), ("sharpness", _sharpness)):
        figure = plot(pyplot, document[name])
        figure.savefig(directory / f"accuracy-{name}.png", dpi=DPI, metadata=METADATA)
        pyplot.close(figure)


def _registration(pyplot: Any, rows: Sequence[Mapping[str, Any]]) -> Any:  # noqa: ANN401 — matplotlib's
    scenes = list(dict.fromkeys(row["scene"] for row in rows))
    methods = list(dict.fromkeys(row["method"] for row in rows))
    figure, axes = pyplot.subplots(1, len(scenes), figsize=(11, 4), sharey=True, layout="constrained")
    for axis, scene in zip(axes, scenes, strict=True):
        for method, marker in zip(methods, "os^vD", strict=False):
            cell = [row for row in rows if (row["scene"], row["method"]) == (scene, method)]
            axis.loglog(*_columns(cell, "rms_px"), marker=marker, label=method)
        axis.loglog(*_columns(cell, "bound_px"), "k--", label="Cramér-Rao bound")
        _snr_axis(axis, sorted({row["snr"] for row in rows}))
        axis.set_title(scene)
    axes[0].set_ylabel("RMS error of the shift / px, up to 1 px")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


def _columns(rows: Sequence[Mapping[str, Any]], name: str) -> tuple[list[float], list[float]]:
    known = [row for row in rows if row[name] is not None]
    return [row["snr"] for row in known], [row[name] for row in known]


def _snr(pyplot: Any, rows: Sequence[Mapping[str, Any]]) -> Any:  # noqa: ANN401
    noises = list(dict.fromkeys(row["noise"] for row in rows))
    figure, axes = pyplot.subplots(1, len(noises), figsize=(9, 4), sharey=True, layout="constrained")
    for axis, noise in zip(axes, noises, strict=True):
        for row, marker in zip((row for row in rows if row["noise"] == noise), "osv^D", strict=False):
            snrs = [at["snr"] for at in row["by_snr"]]
            worst = [100 * max(abs(at["least"]), abs(at["most"])) for at in row["by_snr"]]
            axis.loglog(snrs, worst, marker=marker, label=row["estimator"])
        _snr_axis(axis, snrs)
        axis.set_title("white noise" if noise == "white" else "noise correlated along the scan line")
    axes[0].set_ylabel("bias of the SNR / %, worst scene and spot")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _sharpness(pyplot: Any, rows: Sequence[Mapping[str, Any]]) -> Any:  # noqa: ANN401
    figure, axis = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for measure in dict.fromkeys(row["measure"] for row in rows):
        cell = [row for row in rows if row["measure"] == measure]
        axis.semilogx(*_columns(cell, "kept_mean"), marker="o", label=measure)
    axis.axhline(1, color="k", linewidth=0.8)
    _snr_axis(axis, sorted({row["snr"] for row in rows}))
    axis.set_ylabel("sharp over blurred, share of noise-free ratio")
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def _snr_axis(axis: Any, snrs: Sequence[float]) -> None:  # noqa: ANN401
    axis.set_xticks(snrs, [f"{snr:g}" for snr in snrs])
    axis.minorticks_off()
    axis.set_xlabel("SNR = var(signal) / var(noise)")
    axis.grid(alpha=0.3)
