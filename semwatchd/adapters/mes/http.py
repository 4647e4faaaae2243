"""Deliver events over HTTP: one POST per event, CloudEvents structured mode."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Annotated, Literal

import h11
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, HttpUrl

from semwatchd.adapters.mes.connection import Answer, Headers, HttpConnection
from semwatchd.core.errors import PermanentRejection, TransientError
from semwatchd.core.ports import Event
from semwatchd.core.version import VERSION

MAX_RETRY_AFTER_S = 900.0
SERVER_ERRORS = range(500, 600)
SAY_AGAIN = frozenset({408, 425, 429})  #: 4xx answers that are about the moment, not about the event


def _without_secret(url: HttpUrl) -> HttpUrl:
    if url.username or url.password:
        raise ValueError("holds a user or password; put a bearer token into a file and name it in token_file")
    return url


class HttpSettings(BaseModel):
    """A receiver that speaks HTTP."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["http"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    url: Annotated[HttpUrl, AfterValidator(_without_secret)]
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 10.0  #: for the whole exchange
    token_file: Path | None = None  #: holds the bearer token; read anew for every event


class HttpMes:
    """core.ports.MesAdapter over HTTP. For one thread; the connection is kept between events."""

    def __init__(self, settings: HttpSettings, *, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self._connection = HttpConnection(settings.url)

    def send(self, event: Event) -> None:
        """Post one event. Raises TransientError or PermanentRejection where it was not accepted."""
        url, limit_s = self._settings.url, self._settings.timeout_s
        headers = self._headers(event)
        try:
            answer = self._connection.post(event.payload.encode(), headers, limit_s)
        except TimeoutError as error:
            raise TransientError(f"{url} did not answer within {limit_s:g} s") from error
        except (OSError, UnicodeError, h11.RemoteProtocolError) as error:
            raise TransientError(f"{url} cannot be reached: {error}") from error
        self._judge(answer)

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def _headers(self, event: Event) -> Headers:
        headers = [
            ("Content-Type", "application/cloudevents+json; charset=utf-8"),
            ("Idempotency-Key", event.event_id),
            ("User-Agent", f"semwatchd/{VERSION}"),
            ("Accept-Encoding", "identity"),  # the answer is only ever shown to a person, cut short
        ]
        if self._settings.token_file is not None:
            headers.append(("Authorization", f"Bearer {_read_token(self._settings.token_file)}"))
        return headers

    def _judge(self, answer: Answer) -> None:
        if answer.status in range(200, 300):
            return
        said = " ".join(answer.body.decode("utf-8", "replace").split())[:200]
        message = f"{self._settings.url} answered {answer.status}: {said or answer.reason}"
        if answer.status in SAY_AGAIN or answer.status in SERVER_ERRORS:
            raise TransientError(message, _retry_after_s(answer.retry_after, self._clock()))
        raise PermanentRejection(message)


def _retry_after_s(header: str | None, now: float) -> float | None:
    """Seconds asked for, as a number or as a date (RFC 9110, 10.2.3), at most 15 minutes."""
    if header is None:
        return None
    try:
        seconds = (
            float(header) if header.strip().isdecimal() else parsedate_to_datetime(header).timestamp() - now
        )
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)


def _read_token(path: Path) -> str:
    try:
        token = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise TransientError(f"the token file {path} cannot be read: {error}; make it readable") from error
    if not token.isprintable() or not token:
        raise TransientError(f"the token file {path} must hold one line of printable characters")
    return token
