"""The client against real sockets, as systemd holds them."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from semwatchd.adapters.systemd import ServiceManager, service_manager
from semwatchd.core.ports import Lifecycle
from tests.fakes import ListLog


@contextmanager
def listening(name: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name)
        listener.settimeout(5.0)
        yield listener


def heard(listener: socket.socket) -> list[str]:
    return listener.recv(4096).decode().split("\n")


def test_each_thing_is_said_as_sd_notify_spells_it(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with listening(address) as listener:
        manager: Lifecycle = ServiceManager(address, None, ListLog())
        manager.ready()
        assert heard(listener) == ["READY=1"]
        manager.stopping()
        assert heard(listener) == ["STOPPING=1"]
        manager.alive()
        assert heard(listener) == ["WATCHDOG=1"]
        manager.extend(0.25)
        assert heard(listener) == ["EXTEND_TIMEOUT_USEC=250000"]
        manager.reloading()
        verb, stamp = heard(listener)
        assert verb == "RELOADING=1"
        assert stamp.removeprefix("MONOTONIC_USEC=").isdecimal()


def test_a_status_cannot_smuggle_in_another_message(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with listening(address) as listener:
        ServiceManager(address, None, ListLog()).status("a\nSTOPPING=1 \udcff 센터")
        assert heard(listener) == ["STATUS=a\\x0aSTOPPING=1 \\xff 센터"]


def test_an_abstract_address_is_understood() -> None:
    name = f"semwatchd-{secrets.token_hex(8)}"
    with listening(f"\0{name}") as listener:
        ServiceManager(f"@{name}", None, ListLog()).ready()
        assert heard(listener) == ["READY=1"]


def test_without_a_manager_nothing_is_said() -> None:
    log = ListLog()
    manager = service_manager({}, log)
    manager.ready()
    manager.status("well")
    assert manager.watchdog_s is None
    assert log.lines == []


def test_a_manager_that_is_gone_costs_a_line_in_the_log_and_nothing_else(tmp_path: Path) -> None:
    log = ListLog()
    ServiceManager(str(tmp_path / "nobody"), None, log).ready()
    assert log.events() == ["service_manager_unreachable"]


def test_an_address_of_another_kind_is_refused_once() -> None:
    log = ListLog()
    manager = service_manager({"NOTIFY_SOCKET": "vsock:2:1234"}, log)
    manager.ready()
    assert log.events() == ["service_manager_unreachable"]


def test_a_deaf_manager_does_not_hold_us_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semwatchd.adapters.systemd.SEND_LIMIT_S", 0.01)
    address, log = str(tmp_path / "notify"), ListLog()
    with listening(address):  # and never receives
        manager = ServiceManager(address, None, log)
        for _ in range(2000):
            manager.alive()
            if log.lines:
                break
    assert log.events() == ["service_manager_unreachable"]


def test_the_variables_are_taken_out_so_that_no_child_speaks_for_us() -> None:
    environment = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "PATH": "/bin"}
    service_manager(environment, ListLog())
    assert environment == {"PATH": "/bin"}


@pytest.mark.parametrize(
    ("usec", "pid", "limit_s"),
    [
        pytest.param("180000000", str(os.getpid()), 180.0, id="ours"),
        ("180000000", None, 180.0),
        ("180000000", "1", None),  # meant for another process
        pytest.param(None, str(os.getpid()), None, id="ours, no time"),
        ("0", None, None),
        ("-5", None, None),
        ("soon", None, None),
    ],
)
def test_the_limit_counts_only_where_it_is_meant_for_us(
    usec: str | None, pid: str | None, limit_s: float | None
) -> None:
    given = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": usec, "WATCHDOG_PID": pid}
    environment = {name: value for name, value in given.items() if value is not None}
    assert service_manager(environment, ListLog()).watchdog_s == limit_s
