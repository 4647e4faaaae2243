"""The figures of ``bench measure`` as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from semwatchd.offline.bench.report import Table, digits


def tables(document: Mapping[str, Any]) -> Sequence[Table]:
    """One table for the whole image, one for its stages, and one per measurement and size."""
    sizes = document["sizes"]
    return (
        _whole(sizes),
        _stages(sizes),
        *(_contest(at, c) for at in sizes for c in _single(at)),
        *(_decode(at) for at in sizes if _formats(at)),
    )


def _whole(sizes: Sequence[Mapping[str, Any]]) -> Table:
    rows = [
        (
            at["size"],
            digits(at["cpu_ms_per_image"]),
            *(_with_ratio(entrant) for entrant in at["contests"][0]["entrants"][1:]),
        )
        for at in sizes
    ]
    header = ("file to numbers", "semwatchd, CPU ms", "plain recipe, CPU ms", "four steps, CPU ms")
    return Table(title="Whole image (in brackets: times semwatchd)", header=header, rows=rows)


def _stages(sizes: Sequence[Mapping[str, Any]]) -> Table:
    names = list(sizes[0]["stages_cpu_ms"])
    rows = [(name, *(digits(at["stages_cpu_ms"][name]) for at in sizes)) for name in names]
    return Table(
        title="Stages of semwatchd, CPU ms", header=("stage", *(at["size"] for at in sizes)), rows=rows
    )


def _single(at: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return [c for c in at["contests"][1:] if not c["item"].startswith("decode: ")]


def _contest(at: Mapping[str, Any], contest: Mapping[str, Any]) -> Table:
    rows = [
        (entrant["who"], digits(entrant["cpu_ms"]), entrant["note"] or digits(entrant["ratio"]))
        for entrant in contest["entrants"]
    ]
    title = f"{contest['item'][0].upper()}{contest['item'][1:]}, {at['size']}"
    return Table(title=title, header=("who", "CPU ms", "times semwatchd"), rows=rows)


def _formats(at: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return [c for c in at["contests"] if c["item"].startswith("decode: ")]


def _decode(at: Mapping[str, Any]) -> Table:
    contests = _formats(at)
    rows = [
        (
            contest["item"].removeprefix("decode: "),
            *(entrant["note"] or digits(entrant["cpu_ms"]) for entrant in contest["entrants"]),
        )
        for contest in contests
    ]
    header = ("TIFF", *(entrant["who"] for entrant in contests[0]["entrants"]))
    return Table(title=f"File to pixels, CPU ms, {at['size']}", header=header, rows=rows)


def _with_ratio(entrant: Mapping[str, Any]) -> str:
    return str(entrant["note"]) or f"{digits(entrant['cpu_ms'])} ({digits(entrant['ratio'])}x)"
