"""No part of the daemon can die without the daemon: it ends with 1, and systemd starts it anew."""

from __future__ import annotations

import os
from pathlib import Path

import httpx
import pytest

from tests.daemon import Site, picture, until

pytestmark = pytest.mark.system

#: Python runs this before the daemon: it has an exception raised in the thread whose name it is told.
KILLER = """
import ctypes, os, sys, threading, time

def wait_and_kill():
    order = os.environ["KILL_THREAD"]
    while not os.path.exists(order):
        time.sleep(0.05)
    name = open(order).read()
    (ident,) = (thread.ident for thread in threading.enumerate() if thread.name == name)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(LookupError))

if "run" in sys.orig_argv:
    threading.Thread(target=wait_and_kill, daemon=True).start()
"""


@pytest.mark.parametrize("name", ["journal", "intake", "overview", "relay-mes", "http"])
def test_the_daemon_does_not_outlive_a_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    site, order = Site(tmp_path), tmp_path / "order"
    site.configure("http://127.0.0.1:9/")
    (tmp_path / "sitecustomize.py").write_text(KILLER)
    monkeypatch.setenv("KILL_THREAD", str(order))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    with site.running() as daemon:
        until(lambda: daemon.health("workers")["state"] == "ok", 20, "the daemon at work")
        (tmp_path / "order.new").write_text(name)
        (tmp_path / "order.new").rename(order)

        def ended() -> bool:
            try:
                daemon.get("/livez")  # the exception is raised when the thread next runs
            except httpx.HTTPError:
                return daemon.process.poll() is not None
            return False

        until(ended, 30, f"the end of a daemon whose {name} has died")
        assert daemon.process.returncode == 1
    parts = [line["part"] for line in site.log_lines() if line["event"] == "part_died"]
    assert parts[0] == name
    monkeypatch.undo()
    with site.running() as daemon:
        (site.watched / "after.tif").write_bytes(picture(1))
        until(lambda: site.ended() == 1, 20, "an image measured after the restart")
        assert daemon.stop() == 0
