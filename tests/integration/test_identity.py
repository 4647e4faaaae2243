"""A journal that was brought from elsewhere, or put in another's place, is noticed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import delete

from semwatchd.adapters.sql import schema
from semwatchd.adapters.sql.identity import ForeignJournalError, adopt, marker_path, require_own
from semwatchd.adapters.sql.journal import open_engine, reading, writing
from semwatchd.adapters.sql.repair import repair_journal
from semwatchd.adapters.sql.schema import journal_path, prepare_journal
from semwatchd.adapters.sql.tables import identity
from semwatchd.core.errors import EnvironmentFault
from tests.journals import lived_in, rows, running_journal

pytestmark = pytest.mark.integration


def name_in(folder: Path) -> str:
    ((name,),) = rows(folder, "SELECT id FROM identity")
    return str(name)


def demand_own(folder: Path) -> None:
    with reading(open_engine(journal_path(folder))) as connection:
        require_own(connection, journal_path(folder))


def test_a_journal_keeps_its_name_and_its_marker(tmp_path: Path) -> None:
    prepare_journal(tmp_path)
    first = name_in(tmp_path)
    prepare_journal(tmp_path)
    assert name_in(tmp_path) == first == marker_path(journal_path(tmp_path)).read_text().strip()
    assert sorted(path.name for path in tmp_path.glob("journal.id*")) == ["journal.id"]
    demand_own(tmp_path)


def of_another_machine(folder: Path) -> None:
    other = prepare_journal(folder / "elsewhere")
    shutil.copy(other, journal_path(folder))


def anew(folder: Path) -> None:
    journal_path(folder).unlink()
    prepare_journal(folder)


def without_marker(folder: Path) -> None:
    marker_path(journal_path(folder)).unlink()
    prepare_journal(folder)


def without_name(folder: Path) -> None:
    with writing(open_engine(journal_path(folder))) as connection:
        connection.execute(delete(identity))


@pytest.mark.parametrize("made", [of_another_machine, anew, without_marker, without_name])
def test_a_foreign_journal_is_noticed(tmp_path: Path, made: Callable[[Path], None]) -> None:
    prepare_journal(tmp_path)
    made(tmp_path)
    with pytest.raises(ForeignJournalError, match="semwatchd journal adopt"):
        demand_own(tmp_path)


def test_a_person_may_adopt_it(tmp_path: Path) -> None:
    prepare_journal(tmp_path)
    anew(tmp_path)
    with reading(open_engine(journal_path(tmp_path))) as connection:
        assert adopt(connection, journal_path(tmp_path)) == name_in(tmp_path)
    demand_own(tmp_path)


def test_what_has_no_name_cannot_be_adopted(tmp_path: Path) -> None:
    prepare_journal(tmp_path)
    without_name(tmp_path)
    with (
        reading(open_engine(journal_path(tmp_path))) as connection,
        pytest.raises(EnvironmentFault, match="start the daemon once"),
    ):
        adopt(connection, journal_path(tmp_path))


def test_an_end_before_the_name_is_made_good_by_the_next_start(tmp_path: Path) -> None:
    (tmp_path / "journal.id.new").write_text("half a na")
    prepare_journal(tmp_path)
    demand_own(tmp_path)
    assert not list(tmp_path.glob("*.new"))


def test_an_end_between_name_and_marker_is_made_good_by_the_next_start(tmp_path: Path) -> None:
    marker = marker_path(prepare_journal(tmp_path))
    marker.rename(tmp_path / "journal.id.new")
    prepare_journal(tmp_path)
    demand_own(tmp_path)
    assert not list(tmp_path.glob("*.new"))


def test_a_journal_of_the_first_release_gets_a_name(tmp_path: Path) -> None:
    config = schema._alembic()
    engine = open_engine(journal_path(tmp_path))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    prepare_journal(tmp_path)
    demand_own(tmp_path)


def test_a_journal_made_anew_from_a_damaged_one_is_still_the_same(tmp_path: Path) -> None:
    with running_journal(tmp_path) as journal:
        lived_in(journal)
    name = name_in(tmp_path)
    path = journal_path(tmp_path)
    root = rows(tmp_path, "SELECT rootpage FROM sqlite_master WHERE name = 'sighting'")[0][0]
    assert isinstance(root, int)
    with path.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xa5" * 4096)
    assert repair_journal(tmp_path, [], 1.8e9).damaged
    assert name_in(tmp_path) == name
    demand_own(tmp_path)
