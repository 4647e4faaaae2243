"""Deliver events as files into a folder that the host reads: one JSON and one CSV file per event."""

from __future__ import annotations

import csv
import errno
import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from semwatchd.adapters.mes.payload import RegistrationData
from semwatchd.core.errors import TransientError
from semwatchd.core.failpoints import failpoint
from semwatchd.core.files import Step, write_whole
from semwatchd.core.ports import Event

MAX_SUBJECT_CHARS = 120  #: with the event id and the ending well below the 255 bytes of a file name

REMEDIES = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space or raise the quota",
    errno.EACCES: "let the service write there",
    errno.EPERM: "let the service write there",
    errno.EROFS: "mount it writable",
    errno.ENOENT: "create the folder or mount the share",
    errno.ENOTDIR: "the path must be a folder",
}


class FileDropSettings(BaseModel):
    """A folder that the host reads. It must exist: a missing one is taken for a share not mounted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["filedrop"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    directory: Path


class FileDropMes:
    """core.ports.MesAdapter into a folder. The host waits for ``*.json``; its ``.csv`` is there before it."""

    def __init__(self, settings: FileDropSettings) -> None:
        self._directory = settings.directory

    def send(self, event: Event) -> None:
        """Write both files whole or not at all. The same event always gives the same bytes."""
        stem = f"{_safe(event.subject)}-{event.event_id}"
        try:
            write_whole(self._directory / f"{stem}.csv", _as_csv(event.payload), _may_die)
            write_whole(self._directory / f"{stem}.json", f"{event.payload}\n".encode(), _may_die)
        except OSError as error:
            remedy = REMEDIES.get(error.errno or 0, "see to the disk or the share")
            raise TransientError(
                f"cannot write {stem}.json to {self._directory}: {error.strerror}; {remedy}"
            ) from error


def _safe(subject: str) -> str:
    """Keep the end of the subject, where the image's name stands."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", subject)[-MAX_SUBJECT_CHARS:].lstrip("._-") or "event"


def _may_die(step: Step) -> None:
    match step:
        case Step.WRITTEN:
            failpoint("filedrop.before_fsync")
        case Step.SYNCED:
            failpoint("filedrop.before_rename")
        case Step.NAMED:
            failpoint("filedrop.after_rename")


def _as_csv(payload: str) -> bytes:
    """One line of names and one line of values; see docs/reference/events.md."""
    columns = dict(_columns(json.loads(payload)))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns.keys())
    writer.writerow(columns.values())
    return text.getvalue().encode()


def _columns(event: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    data = dict(event["data"])
    # One column per number of the shift, even where there is none, so that the columns do not wander.
    data["registration"] = data["registration"] or dict.fromkeys(RegistrationData.model_fields)
    yield from ((name, event.get(name)) for name in ("id", "type", "subject", "time"))
    yield from _flat(data, "")


def _flat(node: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, object]]:
    for name, value in node.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", " | ".join(value) if isinstance(value, list) else value
