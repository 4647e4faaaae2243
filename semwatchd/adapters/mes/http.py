"""Deliver events over HTTP: one POST per event, CloudEvents structured mode."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Annotated, Literal

import httpx
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, HttpUrl

from semwatchd.adapters.mes.deadline import Deadline, DeadlineTransport
from semwatchd.core.errors import PermanentRejection, TransientError
from semwatchd.core.ports import Event

MAX_RETRY_AFTER_S = 900.0
SAY_AGAIN = frozenset({408, 425, 429})  #: 4xx answers that are about the moment, not about the event
MAX_ANSWER_BYTES = 4096  #: read of an answer; the status has already decided


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
        self._deadline = Deadline()
        self._client = httpx.Client(
            transport=DeadlineTransport(self._deadline),
            trust_env=False,
            follow_redirects=False,
            timeout=settings.timeout_s,
        )

    def send(self, event: Event) -> None:
        """Post one event. Raises TransientError or PermanentRejection where it was not accepted."""
        self._deadline.begin(self._settings.timeout_s)
        try:
            with self._client.stream(
                "POST", str(self._settings.url), content=event.payload.encode(), headers=self._headers(event)
            ) as response:
                said = _first_bytes(response)
        except httpx.TimeoutException as error:
            raise TransientError(
                f"{self._settings.url} did not answer within {self._settings.timeout_s:g} s"
            ) from error
        except httpx.HTTPError as error:
            raise TransientError(f"{self._settings.url} cannot be reached: {error}") from error
        self._judge(response, said)

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def _headers(self, event: Event) -> dict[str, str]:
        headers = {
            "Content-Type": "application/cloudevents+json; charset=utf-8",
            "Idempotency-Key": event.event_id,
            "Accept-Encoding": "identity",  # the answer is only ever shown to a person, cut short
        }
        if self._settings.token_file is not None:
            headers["Authorization"] = f"Bearer {_read_token(self._settings.token_file)}"
        return headers

    def _judge(self, response: httpx.Response, said: str) -> None:
        status = response.status_code
        if response.is_success:
            return
        message = f"{self._settings.url} answered {status}: {said or response.reason_phrase}"
        if status in SAY_AGAIN or response.is_server_error:
            raise TransientError(message, _retry_after_s(response.headers.get("Retry-After"), self._clock()))
        raise PermanentRejection(message)


def _first_bytes(response: httpx.Response) -> str:
    """Return up to 200 characters of the answer; a broken or endless body changes nothing."""
    body = b""
    with suppress(httpx.HTTPError):
        for part in response.iter_raw(MAX_ANSWER_BYTES):
            body += part
            if len(body) >= MAX_ANSWER_BYTES:
                break
    return " ".join(body.decode("utf-8", "replace").split())[:200]


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
