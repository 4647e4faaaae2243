from typing import Any

from semwatchd.offline.bench import page
from semwatchd.offline.bench.measure_report import tables

MACHINE = {"processor": "P", "cores": "2"}


def at(size: str, *contests: str) -> dict[str, Any]:
    ours = {"who": "semwatchd", "cpu_ms": 4.0, "ratio": 1.0, "note": ""}
    plain = {"who": "plain recipe", "cpu_ms": 320.0, "ratio": 80.0, "note": ""}
    missing = {"who": "other", "cpu_ms": None, "ratio": None, "note": "not installed: pip"}
    return {
        "size": size,
        "cpu_ms_per_image": 4.0,
        "stages_cpu_ms": {"read": 1.0},
        "contests": [
            {"item": item, "entrants": [ours, plain, missing]} for item in ("whole image", *contests)
        ],
    }


MEASURE = {
    "machine": MACHINE,
    "rounds": 15,
    "sizes": [at("small", "registration", "decode: LZW"), at("large")],
}


def test_a_missing_library_stands_in_its_lines() -> None:
    found = {table.title: table for table in tables(MEASURE)}
    assert list(found["Registration, small"].rows[2]) == ["other", "-", "not installed: pip"]
    assert list(found["File to pixels, CPU ms, small"].rows[0]) == ["LZW", "4", "320", "not installed: pip"]
    assert "File to pixels, CPU ms, large" not in found
    whole = next(table for title, table in found.items() if title.startswith("Whole image"))
    assert list(whole.rows[0]) == ["small", "4", "320 (80x)", "not installed: pip"]


def test_the_page_holds_every_table() -> None:
    ways = [
        {
            "way": "semwatchd, pinned",
            "processes": 2,
            "images_per_min": 12345.0,
            "images_per_min_least": 12000.0,
            "images_per_min_most": 13000.0,
            "cpu_ms_per_image": 4.0,
        }
    ]
    nothing: dict[str, Any] = {"registration": [], "snr": [], "sharpness": [], "missing": []}
    text = page.page(
        {
            "measure": MEASURE,
            "accuracy": {**nothing, "frame_px": 1024, "shifts": 50},
            "load": {"size": "small", "ways": ways, "missing": []},
            "pipeline": {"images_per_min": 6000.0, "cpu_ms_per_image": 9.5},
        }
    )
    for expected in (
        "- processor: P",
        "| small | 4 | 320 (80x) |",
        "| 12345 |",
        "**6000\nimages/min**",
        "50 shifts",
    ):
        assert expected in text
