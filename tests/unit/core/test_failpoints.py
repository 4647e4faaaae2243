from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from semwatchd.core.failpoints import FAILPOINTS, VARIABLE, Trap, failpoint

SOURCES = Path(__file__).resolve().parents[3] / "semwatchd"


def test_the_deed_is_done_once_when_the_count_is_reached() -> None:
    done: list[str] = []
    trap = Trap("relay.after_send:3", lambda: done.append("died"))
    history = []
    for _ in range(5):
        trap.passed("relay.before_send")
        trap.passed("relay.after_send")
        history.append(len(done))
    assert history == [0, 0, 1, 1, 1]


@pytest.mark.parametrize("order", ["relay.after_send", "relay.after_send:x", "relay.in_between:1"])
def test_a_misspelt_order_is_refused_with_what_is_allowed(order: str) -> None:
    with pytest.raises(ValueError, match=r"NAME:COUNT.*journal\.before_commit"):
        Trap(order)


def test_a_place_without_an_order_does_nothing() -> None:
    failpoint("journal.before_commit")


def test_the_process_dies_at_its_place_without_a_word() -> None:
    program = (
        "from semwatchd.core.failpoints import failpoint as f\n"
        "try:\n"
        "    f('filedrop.before_fsync'); print('once', flush=True); f('filedrop.before_fsync')\n"
        "finally:\n"
        "    print('never')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {VARIABLE: "filedrop.before_fsync:2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "once\n")


def test_every_place_named_is_in_the_code_and_no_other() -> None:
    texts = [path.read_text("utf-8") for path in SOURCES.rglob("*.py")]
    marked = {name for text in texts for name in re.findall(r'\bfailpoint\("([^"]+)"\)', text)}
    assert marked == set(FAILPOINTS)
