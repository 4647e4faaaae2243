"""The unit files before systemd's own judgement, as they are in the repository and as they are installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
MAX_EXPOSURE = 2.0  #: of 10; a unit without hardening has 9.6


@pytest.fixture(autouse=True)
def _systemd_analyze() -> None:
    if shutil.which("systemd-analyze") is None:
        assert not os.environ.get("SEMWATCHD_REQUIRE_SERVICES"), "install the package systemd"
        pytest.skip("systemd-analyze is not here")


@pytest.fixture(params=["repository", "installed"])
def units(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Folder of the units."""
    if request.param == "repository":
        return ROOT / "systemd"
    command = [sys.executable, "-m", "semwatchd", "install-service", "--prefix", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return tmp_path / "etc" / "systemd" / "system"


def systemd_analyze(*arguments: str | Path) -> str:
    done = subprocess.run(
        [str(shutil.which("systemd-analyze")), "--no-pager", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_systemd_finds_nothing_wrong(units: Path) -> None:
    files = [path for path in units.iterdir() if path.is_file()]
    assert units / "semwatchd.service" in files
    said = systemd_analyze("verify", "--man=no", *files)
    assert "semwatchd" not in said


def test_a_service_that_is_broken_into_can_do_little(units: Path) -> None:
    for unit in units.glob("*.service"):
        said = systemd_analyze("security", "--offline=true", unit)
        exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
        assert exposure, said
        assert float(exposure[1]) <= MAX_EXPOSURE, said
