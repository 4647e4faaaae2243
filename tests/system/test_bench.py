"""Each benchmark once, as small as it goes: does it work, and does it say what programs rely on?"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from semwatchd.offline.bench.peers import REMEDY

pytestmark = pytest.mark.system

PEERS = importlib.util.find_spec("skimage") and importlib.util.find_spec("matplotlib")
needs_peers = pytest.mark.skipif(not PEERS, reason=f"needs the libraries to compare with: {REMEDY}")


def bench(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "semwatchd", "bench", *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        timeout=110,
        check=False,
    )


def document(*arguments: str) -> dict[str, Any]:
    ended = bench(*arguments, "--quick", "--json")
    assert ended.returncode == 0, ended.stderr
    said: dict[str, Any] = json.loads(ended.stdout)
    return said


def test_measure_says_what_an_image_costs_and_how_that_compares() -> None:
    said = document("measure")
    assert said["cpu_ms_per_image"] > 0
    assert said["machine"]["processor"]
    contests = {contest["item"]: contest["entrants"] for contest in said["sizes"][0]["contests"]}
    assert all(
        entrants[0]["who"] == "semwatchd" and entrants[0]["cpu_ms"] > 0 for entrants in contests.values()
    )
    assert {f"decode: {name}" for name in ("raw", "LZW", "zstd", "PackBits", "JPEG")} <= set(contests)
    _, plain, four_steps = contests["whole image"]
    if PEERS:
        assert said["ratio_to_plain_recipe"] == plain["ratio"] > said["ratio_to_four_steps"] > 1
        assert said["ratio_to_four_steps"] == four_steps["ratio"]
    else:
        assert said["ratio_to_plain_recipe"] is said["ratio_to_four_steps"] is None
        assert REMEDY in plain["note"]


def test_accuracy_knows_the_truth() -> None:
    said = document("accuracy")
    ours = [row for row in said["registration"] if row["method"] == "semwatchd"]
    assert {row["scene"] for row in ours} == {"holes", "grains", "particles", "lines"}
    assert all(row["rms_px"] < 0.3 for row in ours if row["snr"] >= 5)
    assert all(row["wrong_and_sure"] == 0 for row in ours)
    assert all(row["bound_px"] > 0 for row in ours)
    estimators = {(row["estimator"], row["noise"]): row for row in said["snr"]}
    assert estimators["semwatchd", "along x"]["bias_worst"] < 0.1
    kept = {(row["measure"], row["snr"]): row["kept_mean"] for row in said["sharpness"]}
    assert kept["Laplacian variance, raw", 1] < 0.5 < kept["Tenengrad, corrected", 1]


def test_load_compares_the_ways_to_use_all_cores() -> None:
    said = document("load")
    ways = {row["way"]: row for row in said["ways"]}
    assert said["images_per_min"] == ways["semwatchd, pinned"]["images_per_min"] > 0
    assert ways["semwatchd, not pinned"]["cpu_ms_per_image"] > 0
    assert ("four steps, ProcessPoolExecutor" in ways) == bool(PEERS)
    assert bool(said["missing"]) != bool(PEERS)


@needs_peers
def test_the_plots_are_drawn(tmp_path: Path) -> None:
    assert bench("accuracy", "--quick", "--plots", tmp_path).returncode == 0
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(sizes) == {f"accuracy-{name}.png" for name in ("registration", "snr", "sharpness")}
    assert max(sizes.values()) < 150_000


def test_floor_bounds_one_frame_and_four() -> None:
    ended = bench("floor", "--scenes", "1", "--json")
    one, four = json.loads(ended.stdout)["floors"]
    assert (one["shots"], four["shots"]) == (1, 4)
    assert one["picture_nm"] > four["picture_nm"] > 0
    assert "Least errors" in bench("floor", "--scenes", "1").stdout
