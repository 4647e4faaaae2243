"""The daemon's HTTP face: is it alive, is it ready, what is wrong, and the metrics. It only reads."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from html import escape
from typing import Any, Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from semwatchd.core.errors import EnvironmentFault
from semwatchd.core.paths import one_line

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
GOODBYE_S = 10.0  #: longest wait for the server's end; it gives open answers 2 s

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>semwatchd</title><meta http-equiv="refresh" content="10">
<style>body{{font:16px sans-serif;margin:2em}}td,th{{padding:.3em 1em .3em 0;text-align:left}}
.ok{{color:#070}}.degraded{{color:#950}}.failed{{color:#b00;font-weight:bold}}</style></head><body>
<h1>semwatchd: <span class="{state}">{state}</span></h1>
<table><tr><th>part<th>state<th>since<th>why<th>what to do</tr>
{parts}</table>
<h2>Figures</h2><table>
{figures}</table>
<p><a href="/healthz">health</a> · <a href="/readyz">ready</a> · <a href="/livez">live</a>
· <a href="/metrics">metrics</a></p></body></html>
"""


class Part(Protocol):
    """How one part fares, as the health board writes it down."""

    @property
    def state(self) -> str:
        """ok, degraded or failed."""

    @property
    def since(self) -> float:
        """Epoch seconds."""

    @property
    def reason(self) -> str:
        """Why it is not well."""

    @property
    def todo(self) -> str:
        """What a person should do."""


class Board(Protocol):
    """The part of the health board that is shown."""

    def snapshot(self) -> Mapping[str, Part]:
        """All parts by name."""


def build_app(
    health: Board,
    telemetry_render: Callable[[], bytes],
    ready: Callable[[], bool],
    live: Callable[[], bool],
    status: Callable[[], Mapping[str, Any]],
) -> Starlette:
    """Put the pages together. Nothing that is called here may wait for the journal.

    Parameters
    ----------
    status
        A few figures for the operator, by name; JSON types only.
    """

    # Plain functions: Starlette runs them in its own threads, so a slow page does not hold up /livez.
    def livez(_: Request) -> Response:
        return _verdict(live(), "live", "a loop of the daemon has not turned for too long")

    def readyz(_: Request) -> Response:
        failed = [
            f"{name}: {one_line(part.reason)}"
            for name, part in health.snapshot().items()
            if part.state == "failed"
        ]
        return _verdict(ready(), "ready", "; ".join(failed) or "the daemon is starting or stopping")

    def healthz(_: Request) -> Response:
        parts = health.snapshot()
        state = _worst(parts)
        shown = {name: _shown(part) for name, part in parts.items()}
        content = {"state": state, "parts": shown, "status": dict(status())}
        # ASCII, so that no name of undecodable bytes can stop the page.
        return Response(json.dumps(content), 503 if state == "failed" else 200, media_type="application/json")

    def metrics(_: Request) -> Response:
        return Response(telemetry_render(), headers={"Content-Type": METRICS_TYPE})

    def front(_: Request) -> Response:
        return HTMLResponse(_page(health.snapshot(), status()))

    pages = {"/": front, "/livez": livez, "/readyz": readyz, "/healthz": healthz, "/metrics": metrics}
    return Starlette(routes=[Route(path, page, methods=["GET"]) for path, page in pages.items()])


def _verdict(well: bool, yes: str, why_not: str) -> Response:  # noqa: FBT001 — the verdict itself
    return PlainTextResponse(f"{yes}\n" if well else f"not {yes}: {why_not}\n", 200 if well else 503)


def _worst(parts: Mapping[str, Part]) -> str:
    states = {str(part.state) for part in parts.values()}
    return next((state for state in ("failed", "degraded") if state in states), "ok")


def _shown(part: Part) -> dict[str, str]:
    since = datetime.fromtimestamp(part.since, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {
        "state": str(part.state),
        "since": since,
        "reason": one_line(part.reason),
        "todo": one_line(part.todo),
    }


def _page(parts: Mapping[str, Part], figures: Mapping[str, Any]) -> str:
    return PAGE.format(
        state=_worst(parts),
        parts="".join(_row(name, *_shown(part).values()) for name, part in parts.items()),
        figures="".join(_row(name, str(value)) for name, value in figures.items()),
    )


def _row(*cells: str) -> str:
    return "<tr>" + "".join(f"<td>{escape(one_line(cell))}" for cell in cells) + "</tr>\n"


class HttpServer:
    """uvicorn in a thread of its own. It leaves signals to the daemon.

    Parameters
    ----------
    start_thread
        Runs a function in a thread of this name, and sees to it that its death does not go unnoticed.
    """

    def __init__(
        self,
        app: ASGIApp,
        start_thread: Callable[[str, Callable[[], None]], threading.Thread],
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self._start_thread = start_thread
        self._address = (host, port)
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                loop="asyncio",
                http="h11",
                ws="none",
                server_header=False,
                proxy_headers=False,
                limit_concurrency=64,
                timeout_graceful_shutdown=2,
            )
        )
        self._thread: threading.Thread | None = None

    def start(self) -> int:
        """Begin to serve.

        Returns
        -------
            The port that was bound.

        Raises
        ------
        EnvironmentFault
            The address cannot be bound.
        """
        listener = _bind(*self._address)
        port: int = listener.getsockname()[1]
        self._thread = self._start_thread("http", partial(self._serve, listener))
        return port

    def stop(self) -> None:
        """Answer what is being answered, then close."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(GOODBYE_S)

    def _serve(self, listener: socket.socket) -> None:
        with listener:
            self._server.run(sockets=[listener])


def _bind(host: str, port: int) -> socket.socket:
    """Bind here and not in uvicorn, which would end the process where it cannot."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise EnvironmentFault(
            f"cannot listen on {host} port {port}: {error.strerror}; "
            "end the program that listens there or choose another http.port"
        ) from error
