from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import HttpUrl

from semwatchd.adapters.mes.connection import HttpConnection

OK = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok"
HANGS_UP = b"HTTP/1.1 202 Accepted\r\nConnection: close\r\n\r\nok"
INTERIM = b"HTTP/1.1 102 Processing\r\n\r\n" + OK


@contextmanager
def serving(answer: bytes, tls: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """A server that gives each request the same answer; yields its port and what it is sent."""
    said: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            try:
                _converse(tls.wrap_socket(plain, server_side=True) if tls else plain, answer, said)
            except OSError:
                plain.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield listener.getsockname()[1], said
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _converse(peer: socket.socket, answer: bytes, said: list[bytes]) -> None:
    with peer:
        while data := peer.recv(65_536):
            said.append(data)
            peer.sendall(answer)
            if answer == HANGS_UP:
                return


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Certificate and key of a fab's own authority, for 127.0.0.1."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed: no certificate can be made")
    folder = tmp_path_factory.mktemp("tls")
    made, key = folder / "certificate.pem", folder / "key.pem"
    options = "req -x509 -nodes -days 2 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -subj /CN=mes"
    names = ("-addext", "subjectAltName=IP:127.0.0.1")
    files = ("-keyout", str(key), "-out", str(made))
    subprocess.run([openssl, *options.split(), *names, *files], check=True, capture_output=True)
    return made, key


@contextmanager
def posting(url: str) -> Iterator[HttpConnection]:
    connection = HttpConnection(HttpUrl(url))
    try:
        yield connection
    finally:
        connection.close()


def test_the_request_names_path_query_and_host() -> None:
    with serving(OK) as (port, said), posting(f"http://127.0.0.1:{port}/a/b?c=d") as connection:
        answer = connection.post(b"hello", [("X-Key", "1")], 5.0)
    assert (answer.status, answer.reason, answer.body) == (202, "Accepted", b"ok")
    head, _, body = said[0].partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == b"POST /a/b?c=d HTTP/1.1"
    assert f"Host: 127.0.0.1:{port}".encode() in head
    assert body == b"hello"


@pytest.mark.parametrize("answer", [OK, HANGS_UP, INTERIM])
def test_one_exchange_follows_the_other(answer: bytes) -> None:
    with serving(answer) as (port, said), posting(f"http://127.0.0.1:{port}/") as connection:
        for _ in range(3):
            assert connection.post(b"hello", [], 5.0).body == b"ok"
    assert len(said) == 3


def test_the_systems_trust_store_decides_whom_to_trust(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    with serving(OK, tls) as (port, said):
        with posting(f"https://127.0.0.1:{port}/") as stranger, pytest.raises(ssl.SSLCertVerificationError):
            stranger.post(b"secret", [], 5.0)
        assert said == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        with posting(f"https://127.0.0.1:{port}/") as trusting:
            assert [trusting.post(b"hello", [], 5.0).status for _ in range(2)] == [202, 202]
    assert len(said) == 2
