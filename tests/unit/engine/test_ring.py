from __future__ import annotations

import errno
import os
import signal
import struct
import subprocess
import sys
from array import array
from collections.abc import Iterator
from typing import Literal

import pytest

from semwatchd.engine.ring import Slab, TornSlotError, create_slab, stride

PICTURE = bytes(range(240)) * 10  # 40 x 60 samples


@pytest.fixture
def slab() -> Iterator[Slab]:
    made = create_slab(slots=4, picture_bytes=4000)
    yield made
    made.close()
    os.close(made.descriptor)


def test_a_picture_is_read_as_it_was_written_and_where_it_lies(slab: Slab) -> None:
    slab.put(2, 7, (40, 60), "uint8", PICTURE)
    found = slab.get(2, 7)
    assert (found.rows, found.columns, found.kind) == (40, 60, "uint8")
    assert found.samples.tobytes() == PICTURE
    slab.put(2, 8, (40, 60), "uint8", bytes(2400))
    assert not any(found.samples)
    assert found.samples.readonly
    found.samples.release()


@pytest.mark.parametrize(("kind", "code"), [("uint8", "B"), ("uint16", "H"), ("float32", "f")])
def test_samples_of_any_kind_pass(slab: Slab, kind: str, code: Literal["B", "H", "f"]) -> None:
    samples = array(code, range(6))
    slab.put(0, 1, (2, 3), kind, memoryview(samples))
    assert slab.get(0, 1).samples.tobytes() == samples.tobytes()


def test_slots_do_not_touch_each_other(slab: Slab) -> None:
    full = bytes([255]) * 4000
    for slot in range(4):
        slab.put(slot, slot + 1, (40, 100), "uint8", full)
    slab.put(1, 9, (1, 1), "uint8", b"\0")
    assert [slab.get(slot, slot + 1).samples == full for slot in (0, 2, 3)] == [True] * 3


@pytest.mark.parametrize(
    ("shape", "kind", "samples", "words"),
    [
        ((40, 101), "uint8", bytes(4040), "a slot holds 4000"),
        ((40, 60), "uint16", PICTURE, "no 40 x 60 samples of uint16"),
    ],
)
def test_what_does_not_fit_is_refused_and_harms_nothing(
    slab: Slab, shape: tuple[int, int], kind: str, samples: bytes, words: str
) -> None:
    slab.put(1, 5, (40, 60), "uint8", PICTURE)
    with pytest.raises(ValueError, match=words):
        slab.put(1, 6, shape, kind, samples)
    assert slab.get(1, 5).samples == PICTURE


def test_a_slot_that_was_never_written_or_holds_another_picture_is_torn(slab: Slab) -> None:
    with pytest.raises(TornSlotError, match="slot 3 holds no picture 1"):
        slab.get(3, 1)
    slab.put(3, 2, (40, 60), "uint8", PICTURE)
    with pytest.raises(TornSlotError):
        slab.get(3, 1)


def test_a_header_of_nonsense_is_no_picture_beyond_the_slot(slab: Slab) -> None:
    header = struct.pack("<QII8s", 1, 1 << 31, 1 << 31, b"float32")
    os.pwrite(slab.descriptor, header, 2 * stride(4000))
    with pytest.raises(TornSlotError):
        slab.get(2, 1)


def test_nobody_can_take_the_memory_from_under_the_others(slab: Slab) -> None:
    for size in (0, 1 << 20):
        with pytest.raises(PermissionError) as refused:
            os.ftruncate(slab.descriptor, size)
        assert refused.value.errno == errno.EPERM


WRITER = """
import sys
from semwatchd.engine.ring import Slab
slab = Slab(int(sys.argv[1]), 4, 4000)
slab.put(1, 11, (40, 60), "uint8", bytes(range(240)) * 10)
import semwatchd.engine.ring as ring
print("whole", flush=True)
real = ring.HEADER
class Dying:
    calls = 0
    def pack_into(self, *values):
        Dying.calls += 1
        if Dying.calls == 2:
            import os, signal
            os.kill(os.getpid(), signal.SIGKILL)
        real.pack_into(*values)
ring.HEADER = Dying()
slab.put(2, 12, (40, 60), "uint8", bytes(2400))
"""


def test_another_process_writes_and_one_killed_while_it_writes_leaves_no_picture(slab: Slab) -> None:
    slab.put(2, 5, (40, 60), "uint8", PICTURE)  # of an earlier lease
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(slab.descriptor)],
        pass_fds=[slab.descriptor],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("whole\n", -signal.SIGKILL), done.stderr
    assert slab.get(1, 11).samples == PICTURE
    for ticket in (5, 12):
        with pytest.raises(TornSlotError):
            slab.get(2, ticket)
