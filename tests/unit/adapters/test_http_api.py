from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator

import httpx
import pytest

from semwatchd.adapters.http_api import HttpServer, build_app
from semwatchd.core.errors import EnvironmentFault
from semwatchd.engine.crew import Crew
from semwatchd.engine.health import Health, HealthBoard
from tests.fakes import FakeClock, ListLog


class Daemon:
    """What the pages are told."""

    def __init__(self) -> None:
        self.board = HealthBoard(FakeClock(1_800_000_000.0), ListLog())
        self.live = True
        self.scrapes = threading.Event()

    def server(self) -> HttpServer:
        return HttpServer(
            build_app(
                self.board,
                lambda: b"semwatchd_up 1\n",
                lambda: self.board.ready,
                lambda: self.live,
                lambda: {"queued": 3},
            ),
            Crew(ListLog(), lambda: None).start,
        )


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Daemon, httpx.Client]]:
    daemon = Daemon()
    server = daemon.server()
    port = server.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        yield daemon, client
    server.stop()


@pytest.fixture
def daemon(served: tuple[Daemon, httpx.Client]) -> Daemon:
    served[0].live = True
    for part in ("journal", "mes.line3"):
        served[0].board.set(part, Health.OK)
    return served[0]


@pytest.fixture
def client(served: tuple[Daemon, httpx.Client], daemon: Daemon) -> httpx.Client:
    return served[1]


def test_all_is_well(client: httpx.Client) -> None:
    for path in ("/livez", "/readyz", "/healthz", "/metrics", "/"):
        assert client.get(path).status_code == 200
    assert client.get("/healthz").json()["state"] == "ok"
    assert client.get("/healthz").json()["status"] == {"queued": 3}


def test_degraded_is_said_but_is_not_unready(daemon: Daemon, client: httpx.Client) -> None:
    daemon.board.set("mes.line3", Health.DEGRADED, "breaker open", "look after the MES")
    assert client.get("/readyz").status_code == 200
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.json()["state"] == "degraded"
    assert answer.json()["parts"]["mes.line3"] == {
        "state": "degraded",
        "since": "2027-01-15T08:00:00Z",
        "reason": "breaker open",
        "todo": "look after the MES",
    }


def test_a_failed_part_is_unready_with_its_reason(daemon: Daemon, client: httpx.Client) -> None:
    daemon.board.set("journal", Health.FAILED, "disk full", "free some space")
    assert client.get("/healthz").status_code == 503
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "journal: disk full" in answer.text
    assert client.get("/livez").status_code == 200


def test_a_loop_that_stands_still_is_not_live(daemon: Daemon, client: httpx.Client) -> None:
    daemon.live = False
    assert client.get("/livez").status_code == 503


def test_metrics_have_prometheus_content_type(client: httpx.Client) -> None:
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert answer.text == "semwatchd_up 1\n"


def test_the_page_escapes_what_it_shows(daemon: Daemon, client: httpx.Client) -> None:
    daemon.board.set("journal", Health.DEGRADED, "<script>alert('x')</script> \udcff {0}")
    page = client.get("/").text
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "\\xff {0}" in page


def test_undecodable_names_do_not_break_the_health_page(daemon: Daemon, client: httpx.Client) -> None:
    daemon.board.set("journal", Health.FAILED, "no such folder: /data/\udcff", "mount it")
    assert "\\xff" in client.get("/healthz").json()["parts"]["journal"]["reason"]
    assert client.get("/readyz").status_code == 503


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_it_only_reads(client: httpx.Client, method: str) -> None:
    assert client.request(method, "/healthz").status_code == 405


def test_an_address_in_use_is_said_plainly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EnvironmentFault, match=f"port {port}.*choose another"):
            HttpServer(lambda *_: None, lambda *_: None, port=port).start()  # type: ignore[arg-type] # never called


def test_stopping_frees_the_port_and_signals_stay_the_daemons() -> None:
    before = signal.getsignal(signal.SIGTERM)
    server = Daemon().server()
    port = server.start()
    assert httpx.get(f"http://127.0.0.1:{port}/livez", trust_env=False).status_code == 200
    assert signal.getsignal(signal.SIGTERM) is before
    server.stop()
    socket.create_server(("127.0.0.1", port)).close()
