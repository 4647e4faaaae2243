"""Where the threads are, told from threads whose place is known."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from semwatchd.engine.stacks import thread_stacks


@pytest.fixture
def waiting() -> Iterator[threading.Thread]:
    release = threading.Event()

    def stand_still() -> None:
        release.wait()

    thread = threading.Thread(target=stand_still, name="stands still")
    thread.start()
    yield thread
    release.set()
    thread.join()


def test_a_thread_is_found_by_name_with_its_innermost_place_first(waiting: threading.Thread) -> None:
    (stack,) = (stack for stack in thread_stacks() if stack.name == "stands still")
    functions = [place.function for place in stack.places]
    assert functions.index("Event.wait") < functions.index("waiting.<locals>.stand_still")
    assert stack.places[functions.index("waiting.<locals>.stand_still")].file == __file__
    assert stack.native_id == waiting.native_id
    assert stack.cpu_s is not None
    assert stack.cpu_s < 5.0


def test_the_thread_that_asks_is_left_out() -> None:
    assert threading.current_thread().name not in {stack.name for stack in thread_stacks()}
