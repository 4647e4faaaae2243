"""A person works on the journal beside the running daemon."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.daemon import Site, picture, until

pytestmark = pytest.mark.system


def test_quarantined_images_are_requeued_and_rejected_with_a_reason(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.configure()
    broken = {f"W01_{name}.tif": picture(seed)[:5000] for seed, name in enumerate(("back", "gone"))}
    with site.running() as daemon:
        for name, content in broken.items():
            (site.watched / name).write_bytes(content)
        until(lambda: site.ended() == 2, 15, "both in quarantine")
        back, gone = quarantined(site)
        assert "beyond the file" in back["reason"]

        assert (
            site.command("quarantine", "requeue", str(back["id"]), "--reason", "look again").returncode == 0
        )
        until(lambda: attempt_of(site, back["id"]) == (1, "quarantined"), 3, "found by the daemon")
        assert site.command("quarantine", "reject", str(gone["id"]), "--reason", "copy lost").returncode == 0
        assert [row["id"] for row in quarantined(site)] == [back["id"]]

        late = site.command("quarantine", "requeue", str(gone["id"]), "--reason", "too late")
        assert late.returncode == 1
        assert "nothing changed" in late.stdout
        assert daemon.stop() == 0
    for job, action, reason in ((back, "requeue", "look again"), (gone, "reject", "copy lost")):
        shown = json.loads(site.command("quarantine", "show", str(job["id"])).stdout)
        assert [(entry["action"], entry["reason"]) for entry in shown["audit"]] == [(action, reason)]
    assert site.audit()["balanced"]


def quarantined(site: Site) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = json.loads(site.command("quarantine", "list", "--json").stdout)
    return rows


def attempt_of(site: Site, job_id: str) -> tuple[int, str]:
    (row,) = site.rows("select attempt, state from job where id = ?", job_id)
    return tuple(row)
