"""The figures of ``bench accuracy`` as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from semwatchd.offline.bench.report import Table, digits


def tables(document: Mapping[str, Any]) -> Sequence[Table]:
    """Errors of shift, SNR and sharpness."""
    registration = document["registration"]
    ours = [row for row in registration if row["error_in_sigmas"] is not None]
    return (
        _against_others(registration, document["missing"]),
        _in_detail(ours),
        _snr(document["snr"]),
        _sharpness(document["sharpness"]),
    )


def _against_others(rows: Sequence[Mapping[str, Any]], missing: Sequence[str]) -> Table:
    cells = list(dict.fromkeys((row["scene"], row["snr"]) for row in rows))
    methods = list(dict.fromkeys(row["method"] for row in rows))
    found = {(row["scene"], row["snr"], row["method"]): row for row in rows}
    lines = [
        (
            f"{scene}, SNR {snr:g}",
            digits(found[scene, snr, methods[0]]["bound_px"], 2),
            *(_error(found[scene, snr, method]) for method in methods),
        )
        for scene, snr in cells
    ]
    title = "Shift: RMS error in px of errors up to 1 px; F: answers further off, R: none given"
    if missing:
        title += f" ({'; '.join(missing)})"
    return Table(title=title, header=("scene", "Cramér-Rao bound", *methods), rows=lines)


def _error(row: Mapping[str, Any]) -> str:
    text = digits(row["rms_px"], 2)
    text += f" F{row['wrong']}" if row["wrong"] else ""
    return text + (f" R{row['refused']}" if row["refused"] else "")


def _in_detail(rows: Sequence[Mapping[str, Any]]) -> Table:
    lines = [
        (
            f"{row['scene']}, SNR {row['snr']:g}",
            digits(row["rms_px"], 2),
            digits(row["rms_px"] and row["rms_px"] / row["bound_px"], 2),
            digits(row["p95_px"], 2),
            digits(row["error_in_sigmas"], 2),
            f"{row['wrong']}",
            f"{row['wrong_and_sure']}",
            f"{row['refused']}",
            f"{row['doubtful']}",
            f"{row['trials']}",
        )
        for row in rows
    ]
    header = (
        *("scene", "RMS px", "of the bound", "p95 px", "error in stated sigmas, RMS"),
        *("> 1 px", "of these status ok", "refused", "weak_axis", "trials"),
    )
    return Table(title="Shift by semwatchd", header=header, rows=lines)


def _snr(rows: Sequence[Mapping[str, Any]]) -> Table:
    lines = [
        (
            row["estimator"],
            row["noise"],
            *(f"{100 * row[key]:.2f}" for key in ("bias_mean", "bias_worst", "scatter", "bound")),
        )
        for row in rows
    ]
    header = ("estimator", "noise", "bias %, mean", "bias %, worst", "scatter %", "bound of scatter %")
    return Table(title="Signal-to-noise ratio", header=header, rows=lines)


def _sharpness(rows: Sequence[Mapping[str, Any]]) -> Table:
    lines = [
        (row["measure"], f"{row['snr']:g}", digits(row["kept_mean"]), f"{100 * row['error_worst']:.1f}")
        for row in rows
    ]
    header = ("measure", "SNR", "ratio kept, mean", "off by %, worst scene")
    title = "Sharp over blurred (spot 1 and 3 px), as a share of what it is without noise"
    return Table(title=title, header=header, rows=lines)
