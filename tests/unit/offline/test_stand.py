import re
import tomllib
from pathlib import Path

import pytest

from semwatchd.offline.stand import StandError, StandSettings, running, stop, wait_until, write_config


def settings(tmp_path: Path, drop: Path | None = None) -> StandSettings:
    return StandSettings(
        watched=tmp_path / 'a "quoted" föld\\er',
        reference=tmp_path / "reference.tif",
        events_url="http://127.0.0.1:1/events",
        drop=drop,
    )


def test_the_configuration_says_what_was_asked_whatever_the_paths_hold(tmp_path: Path) -> None:
    asked = settings(tmp_path, drop=tmp_path / "drop")
    write_config(tmp_path / "c.toml", tmp_path / "state", asked)
    config = tomllib.loads((tmp_path / "c.toml").read_text(encoding="utf-8"))
    assert config["watch"][0]["root"] == str(asked.watched)
    assert config["plans"]["default"]["reference"] == str(asked.reference)
    assert [destination["kind"] for destination in config["destinations"]] == ["http", "filedrop"]
    place = re.fullmatch(config["watch"][0]["context"], "LOT0007/W03_site012.tif")
    assert place is not None
    assert place.groupdict() == {"lot": "LOT0007", "wafer": "03"}


def test_without_a_drop_folder_there_is_one_destination(tmp_path: Path) -> None:
    write_config(tmp_path / "c.toml", tmp_path / "state", settings(tmp_path))
    config = tomllib.loads((tmp_path / "c.toml").read_text(encoding="utf-8"))
    assert [destination["kind"] for destination in config["destinations"]] == ["http"]


def test_what_is_started_is_stopped_even_when_the_block_fails(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="in the block"),
        running(["http.server", "--bind", "127.0.0.1", "0"], tmp_path / "log", stop_s=5) as process,
    ):
        raise RuntimeError("in the block")
    assert process.poll() is not None


def test_a_process_that_ends_instead_of_getting_ready_is_an_error(tmp_path: Path) -> None:
    with running(["json.tool", "--nonsense"], tmp_path / "log", stop_s=5) as process:
        with pytest.raises(StandError, match="it ended with code 2"):
            wait_until(lambda: False, process, "not ready")
        assert stop(process, 1) == 2
