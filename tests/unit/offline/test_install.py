from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest
from rich.console import Console

from semwatchd.core.errors import EnvironmentFault
from semwatchd.offline.install import ANY_SEMWATCHD, install_service, service_files

UNIT = "etc/systemd/system/semwatchd.service"


def installed(prefix: Path, *, dry_run: bool = False) -> str:
    said = io.StringIO()
    install_service(prefix, Console(file=said, soft_wrap=True), dry_run=dry_run)
    return said.getvalue()


def below(prefix: Path) -> set[str]:
    return {str(path.relative_to(prefix)) for path in prefix.rglob("*") if path.is_file()}


def test_each_file_goes_where_systemd_looks_for_it(tmp_path: Path) -> None:
    said = installed(tmp_path)
    assert {
        UNIT,
        "etc/systemd/system/semwatchd-audit.service",
        "etc/systemd/system/semwatchd-audit.timer",
        "etc/sysusers.d/semwatchd.conf",
        "etc/tmpfiles.d/semwatchd.conf",
        "etc/sysctl.d/60-semwatchd.conf",
    } <= below(tmp_path)
    for file in below(tmp_path):
        assert f"wrote     {tmp_path / file}" in said
        assert (tmp_path / file).stat().st_mode & 0o777 == 0o644


def test_the_unit_starts_the_python_that_installed_it(tmp_path: Path) -> None:
    installed(tmp_path)
    for name, command in (("semwatchd", "run"), ("semwatchd-audit", "audit")):
        unit = (tmp_path / UNIT).with_name(f"{name}.service").read_text()
        assert f"ExecStart={sys.executable} -P -m semwatchd {command}\n" in unit
        assert ANY_SEMWATCHD not in unit


@pytest.mark.parametrize(
    ("python", "written"),
    [
        ("/opt/sem watch/bin/python", '"/opt/sem watch/bin/python"'),
        ("/opt/100%/bin/python", "/opt/100%%/bin/python"),
    ],
)
def test_a_path_is_written_as_systemd_reads_it(python: str, written: str) -> None:
    unit = next(file for file in service_files(Path("/"), python) if file.path.name == "semwatchd.service")
    assert f"ExecStart={written} -P -m semwatchd run\n" in unit.content


def test_a_second_time_changes_nothing_and_an_edited_file_is_put_right(tmp_path: Path) -> None:
    installed(tmp_path)
    (tmp_path / UNIT).write_text("edited")
    said = installed(tmp_path)
    assert f"replaced  {tmp_path / UNIT}" in said
    assert f"unchanged {tmp_path / 'etc/sysusers.d/semwatchd.conf'}" in said
    assert "ExecStart=" in (tmp_path / UNIT).read_text()


def test_a_dry_run_shows_every_file_and_writes_none(tmp_path: Path) -> None:
    said = installed(tmp_path, dry_run=True)
    assert below(tmp_path) == set()
    assert f"# {tmp_path / UNIT}" in said
    assert "Type=notify" in said
    assert "Nothing was written." in said


def test_what_comes_next_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/opt/semwatchd/bin/python")
    said = installed(tmp_path)
    for command in ("systemd-sysusers", "systemd-tmpfiles", "sysctl", "systemctl enable --now semwatchd"):
        assert command in said


def test_a_program_the_unit_would_hide_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/home/kim/venv/bin/python")
    said = installed(tmp_path)
    assert "could not start /home/kim/venv/bin/python" in said
    assert "systemctl enable" not in said


def test_a_place_that_cannot_be_written_is_refused_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "etc").write_text("a file where a folder should be")
    with pytest.raises(EnvironmentFault, match="as root, or with --prefix DIR"):
        installed(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_without_rights_nothing_is_written_and_the_reason_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(EnvironmentFault, match="Permission denied"):
        installed(tmp_path)
    assert below(tmp_path) == set()
