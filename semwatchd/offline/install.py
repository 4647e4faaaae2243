"""The files that make a systemd service of the daemon, and putting them in their places."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from semwatchd.config import DEFAULT_PATH
from semwatchd.core.errors import EnvironmentFault

#: As the files of the repository call the program; replaced by the Python that runs this.
ANY_SEMWATCHD = "/usr/bin/env semwatchd"
KINDS = frozenset({".service", ".timer", ".conf"})
#: Where a service with ProtectHome and PrivateTmp cannot start a program from.
HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 — named, not used

NEXT = f"""\
Next, as root:
  systemd-sysusers                         # makes the user semwatchd
  systemd-tmpfiles --create semwatchd.conf # and its folders
  sysctl --system                          # and raises the inotify limits
  semwatchd config check {DEFAULT_PATH}
  systemctl daemon-reload
  systemctl enable --now semwatchd semwatchd-audit.timer
  systemctl status semwatchd"""

ELSEWHERE = f"""\
note: the service could not start {{python}}: its unit hides {", ".join(HIDDEN)}.
Install semwatchd elsewhere, for example in /opt/semwatchd, and run this command there."""


@dataclass(frozen=True, slots=True)
class ServiceFile:
    """One file, and where it belongs."""

    path: Path
    content: str

    def is_there(self) -> bool:
        """Whether the file is in its place as it should be."""
        return self.path.is_file() and self.path.read_text("utf-8") == self.content

    def write(self) -> None:
        """Put the file in its place, all of it or nothing."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        growing = self.path.with_name(f".{self.path.name}.new")
        growing.write_text(self.content, "utf-8")
        growing.chmod(0o644)
        growing.rename(self.path)


def service_files(prefix: Path, python: str) -> Sequence[ServiceFile]:
    """Read the packaged files and fit them to this installation.

    Parameters
    ----------
    prefix
        Root of the system they are meant for.
    python
        The interpreter that semwatchd is installed for.
    """
    source = _packaged()
    command = f"{_quoted(python)} -P -m semwatchd"
    return [
        ServiceFile(
            prefix / "etc" / _place(file.relative_to(source)),
            file.read_text("utf-8").replace(ANY_SEMWATCHD, command),
        )
        for file in sorted(source.rglob("*"))
        if file.suffix in KINDS
    ]


def install_service(prefix: Path, console: Console, *, dry_run: bool) -> None:
    """Write the service's files below ``prefix``, or only show them, and say what comes next.

    Raises
    ------
    EnvironmentFault
        A file cannot be written.
    """
    for file in service_files(prefix, sys.executable):
        said = f"# {file.path}\n{file.content}" if dry_run else f"{_put(file)} {file.path}"
        console.print(said, highlight=False, markup=False)
    if dry_run:
        console.print("Nothing was written.")
    hidden = any(Path(sys.executable).is_relative_to(folder) for folder in HIDDEN)
    console.print(ELSEWHERE.format(python=sys.executable) if hidden else NEXT, highlight=False, markup=False)


def _put(file: ServiceFile) -> str:
    try:
        if file.is_there():
            return "unchanged"
        replaced = file.path.exists()
        file.write()
    except OSError as error:
        raise EnvironmentFault(
            f"cannot write {file.path}: {error.strerror}; run this as root, "
            "or with --prefix DIR to write somewhere else, or with --dry-run to look only"
        ) from error
    return "replaced " if replaced else "wrote    "


def _packaged() -> Path:
    """Find the files: inside the package where it was installed, beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "systemd"
    return installed if installed.is_dir() else package.parent / "systemd"


def _place(file: Path) -> Path:
    """Units stand at the top; the others in a folder named as the one below /etc they belong into."""
    return file if len(file.parts) > 1 else Path("systemd") / "system" / file


def _quoted(path: str) -> str:
    """Write a path as systemd reads it."""
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"' if " " in path else escaped
