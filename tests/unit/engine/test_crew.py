from __future__ import annotations

import threading

from semwatchd.engine.crew import Crew
from tests.fakes import ListLog


def test_a_thread_that_ends_well_is_no_death() -> None:
    died = threading.Event()
    crew = Crew(ListLog(), died.set)
    crew.start("part", lambda: None).join()
    assert not died.is_set()
    assert not crew.failed


def test_a_thread_that_fails_ends_the_process() -> None:
    died, log = threading.Event(), ListLog()
    crew = Crew(log, died.set)

    def fail() -> None:
        raise ValueError("beyond repair")

    thread = crew.start("relay-mes", fail)
    thread.join()
    assert thread.name == "relay-mes"
    assert died.is_set()
    assert crew.failed
    ((level, event, fields),) = log.lines
    assert (level, event) == ("error", "part_died")
    assert (fields["part"], fields["error"]) == ("relay-mes", "ValueError: beyond repair")


def test_even_an_exit_in_a_thread_counts() -> None:
    crew = Crew(ListLog(), lambda: None)

    def leave() -> None:
        raise SystemExit(0)

    crew.start("part", leave).join()
    assert crew.failed
