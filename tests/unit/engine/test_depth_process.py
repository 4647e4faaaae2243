from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection, Pipe

import pytest

from semwatchd.engine.depth_process import MAX_REASON_CHARS, answered, built, serve
from semwatchd.engine.messages import Answered, Ask, DepthSetup, Mapped, Question, Refused, Sick
from semwatchd.engine.ring import Slab, create_slab
from tests.tellers import PixelTeller, a_question

PICTURE_BYTES = 32 * 48


@pytest.fixture
def slab() -> Iterator[Slab]:
    made = create_slab(slots=8, picture_bytes=PICTURE_BYTES)
    yield made
    made.close()  # refuses while anybody still holds a picture of it
    os.close(made.descriptor)


def ask(slab: Slab, *stems: str) -> Ask:
    """Seat a picture for each; the first pixel of it is its ticket."""
    questions = [a_question(stem, ticket=10 + n, slot=n) for n, stem in enumerate(stems)]
    for question in questions:
        seated(slab, question)
    return Ask(questions=tuple(questions))


def seated(slab: Slab, question: Question) -> None:
    pixels = bytes([question.seat.ticket]) * PICTURE_BYTES
    slab.put(question.seat.slot, question.seat.ticket, (32, 48), "uint8", pixels)


def depths(said: Answered | Sick) -> list[float | str | None]:
    """The depth of each picture, or why it has none."""
    assert isinstance(said, Answered)
    return [
        one.measurements["depth.median_nm"] if isinstance(one, Mapped) else one.reason for one in said.answers
    ]


def test_all_are_asked_at_once_and_answered_in_their_order(slab: Slab) -> None:
    teller = PixelTeller()
    said = answered(ask(slab, "a", "b", "c"), slab, teller)
    assert depths(said) == [10.0, 11.0, 12.0]
    assert teller.shown == [3]
    assert isinstance(said, Answered)
    assert [one.ticket for one in said.answers] == [10, 11, 12]
    assert said.rss_bytes > 1e6
    assert said.cpu_s > 0


def test_a_bad_picture_costs_only_itself(slab: Slab) -> None:
    said = answered(ask(slab, "a", "bad", "refused", "c"), slab, PixelTeller())
    first, bad, refused, last = depths(said)
    assert (first, refused, last) == (10.0, "the network's answer is not finite", 13.0)
    assert isinstance(bad, str)
    assert bad.startswith("ValueError: no such\\x0adepth")
    assert len(bad) == MAX_REASON_CHARS


def test_a_torn_slot_is_refused_and_the_others_are_answered(slab: Slab) -> None:
    asked = ask(slab, "a", "b", "c")
    slab.put(1, 99, (1, 1), "uint8", b"\0")  # lent again, to another
    first, torn, last = depths(answered(asked, slab, PixelTeller()))
    assert (first, last) == (10.0, 12.0)
    assert torn == "slot 1 holds no picture 11: its writer ended too early"


def test_a_teller_is_not_bothered_with_nothing(slab: Slab) -> None:
    teller = PixelTeller()
    said = answered(Ask(questions=(a_question(ticket=5),)), slab, teller)
    assert isinstance(said, Answered)
    assert isinstance(said.answers[0], Refused)
    assert teller.shown == []


@pytest.mark.parametrize(("stem", "reason"), [("sick", "a known image too"), ("greedy", "no room for one")])
def test_a_sick_device_says_nothing_of_any_picture(slab: Slab, stem: str, reason: str) -> None:
    said = answered(ask(slab, "a", stem), slab, PixelTeller())
    assert isinstance(said, Sick)
    assert reason in said.reason


@pytest.fixture
def served(slab: Slab) -> Iterator[Connection]:
    ours, theirs = Pipe()
    thread = threading.Thread(target=serve, args=(theirs, slab, PixelTeller()))
    thread.start()
    yield ours
    ours.close()
    thread.join(10)
    assert not thread.is_alive(), "a closed pipe is the end"
    theirs.close()


def test_it_goes_on_after_a_sick_answer_and_ends_with_the_pipe(slab: Slab, served: Connection) -> None:
    said = []
    for stems in (("a",), ("sick",), ("b", "c")):
        served.send(ask(slab, *stems))
        said.append(served.recv())
    assert [type(one) for one in said] == [Answered, Sick, Answered]
    assert depths(said[2]) == [10.0, 11.0]


@pytest.mark.parametrize(
    ("factory", "reason"),
    [
        ("without_torch", "torch is not installed: pip install 'semwatchd[models]'"),
        ("broken", "RuntimeError: this teller cannot start"),
        ("nowhere", "AttributeError: module 'tests.tellers' has no attribute 'nowhere'"),
    ],
)
def test_what_a_teller_lacks_is_said(factory: str, reason: str) -> None:
    setup = DepthSetup(factory=f"tests.tellers:{factory}", settings=None, slots=1, picture_bytes=1)
    assert built(setup) == Sick(reason=reason)


def test_the_process_itself_loads_nothing_heavy() -> None:
    code = (
        "import sys, semwatchd.engine.depth_process\nassert not {'numpy', 'cv2', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
