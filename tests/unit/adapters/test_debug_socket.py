"""The debug socket, both ends of it, over a real socket."""

from __future__ import annotations

import errno
import os
import socket
import stat
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from semwatchd.adapters import debug_socket
from semwatchd.adapters.debug_socket import LONGEST_S, NAME, Pause, answering, ask
from semwatchd.core.errors import EnvironmentFault
from tests.fakes import ListLog


def echo(seconds: float, _pause: Pause) -> Mapping[str, Any]:
    return {"seconds": seconds}


def test_a_question_gets_its_answer_and_stands_in_the_log(tmp_path: Path) -> None:
    log = ListLog()
    with answering(tmp_path, {"echo": echo, "other": lambda *_: {}}, log):
        assert ask(tmp_path, "echo", 2.0) == {"seconds": 2.0}
        assert ask(tmp_path, "echo", 2 * LONGEST_S) == {"seconds": LONGEST_S}
    assert log.events() == ["debug_asked", "debug_asked"]
    assert log.lines[0][2] == {"question": "echo", "seconds": 2.0}


def test_only_its_own_user_may_ask(tmp_path: Path) -> None:
    with answering(tmp_path, {"echo": echo}, ListLog()):
        mode = (tmp_path / NAME).stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
    assert not (tmp_path / NAME).exists(), "nothing is left over"


def test_a_folder_with_a_long_name_will_do(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 50)
    folder.mkdir()
    with answering(folder, {"echo": echo}, ListLog()):
        assert ask(folder, "echo")


def test_what_a_killed_daemon_left_is_no_daemon_and_does_not_stop_the_next(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / NAME))
    with pytest.raises(EnvironmentFault, match=r"no daemon runs on .*: start it"):
        ask(tmp_path, "echo")
    with answering(tmp_path, {"echo": echo}, ListLog()):
        assert ask(tmp_path, "echo")


@pytest.mark.parametrize("folder", [".", "nowhere"])
def test_where_no_daemon_runs_it_says_so(tmp_path: Path, folder: str) -> None:
    with pytest.raises(EnvironmentFault, match="no daemon runs on"):
        ask(tmp_path / folder, "echo")


def test_who_may_not_ask_is_told_who_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:  # root may do everything, so it cannot be tried for real by root
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(socket.socket, "connect", refused)
    with pytest.raises(EnvironmentFault, match="sudo -u"):
        ask(tmp_path, "echo")


def test_a_daemon_that_does_not_answer_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debug_socket, "ANSWER_S", 0.1)
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / NAME))
        deaf.listen()
        with pytest.raises(EnvironmentFault, match=rf"pid {os.getpid()}\).*py-spy dump --pid .*-ABRT"):
            ask(tmp_path, "echo")


def test_a_daemon_that_ends_while_it_is_asked_is_told_as_that(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dying:
        dying.bind(str(tmp_path / NAME))
        dying.listen()

        def die() -> None:
            connection, _ = dying.accept()
            with connection:
                connection.recv(1000)

        thread = threading.Thread(target=die)
        thread.start()
        with pytest.raises(EnvironmentFault, match="before it had answered"):
            ask(tmp_path, "echo")
        thread.join()


def test_the_reason_for_no_answer_reaches_the_one_who_asked(tmp_path: Path) -> None:
    def busy(*_: object) -> Mapping[str, Any]:
        raise EnvironmentFault("ask again later")

    with answering(tmp_path, {"busy": busy}, ListLog()):
        with pytest.raises(EnvironmentFault, match="the daemon says: ask again later"):
            ask(tmp_path, "busy")
        with pytest.raises(EnvironmentFault, match="not a question"):
            ask(tmp_path, "unheard of")


@pytest.mark.parametrize("question", [b"\n", b"[]\n", b'{"name": "echo", "seconds": "x"}\n', b"\xff" * 5000])
def test_nonsense_is_refused_and_the_next_question_answered(tmp_path: Path, question: bytes) -> None:
    with answering(tmp_path, {"echo": echo}, ListLog()):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / NAME))
            client.sendall(question)
            assert b"error" in client.recv(1000)
        assert ask(tmp_path, "echo")


def test_one_that_fails_is_logged_and_the_next_is_answered(tmp_path: Path) -> None:
    def broken(*_: object) -> Mapping[str, Any]:
        raise RuntimeError("a bug")

    log = ListLog()
    with answering(tmp_path, {"broken": broken, "echo": echo}, log):
        with pytest.raises(EnvironmentFault, match="see its log"):
            ask(tmp_path, "broken")
        assert ask(tmp_path, "echo")
    assert "debug_question_failed" in log.events()


def test_a_wait_ends_when_the_one_who_asked_has_gone(tmp_path: Path) -> None:
    ended = threading.Event()

    def wait(seconds: float, pause: Pause) -> Mapping[str, Any]:
        try:
            pause(seconds)
        finally:
            ended.set()
        return {}

    with answering(tmp_path, {"wait": wait, "echo": echo}, ListLog()):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / NAME))
            client.sendall(b'{"name": "wait", "seconds": 3000}\n')
            assert ask(tmp_path, "echo"), "one that waits does not keep others waiting"
        assert ended.wait(10.0)


def test_where_there_can_be_no_socket_the_daemon_runs_without(tmp_path: Path) -> None:
    log = ListLog()
    with answering(tmp_path / "nowhere", {}, log):
        assert log.events() == ["debug_unavailable"]
