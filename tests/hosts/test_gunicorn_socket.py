"""The socket that gunicorn's worker gives, and how it is taken over."""

from __future__ import annotations

import io
from typing import Any

import pytest

from flask_realtime.hosts.gunicorn_socket import GunicornSocket
from tests.fakes import Answer, request


class FakeUnreader:
    """What gunicorn has read beyond a request."""

    def __init__(self, data: bytes) -> None:
        self.unreader = self
        self._data = data

    def read(self, size: int | None = None) -> bytes:
        if not self._data:
            raise BlockingIOError
        found, self._data = self._data, b""
        return found


class FakeSocket:
    def __init__(self) -> None:
        self.timeout: float | None = None

    def settimeout(self, timeout: float | None) -> None:
        self.timeout = timeout

    def setsockopt(self, *args: int) -> None:
        raise OSError("a Unix socket knows no TCP")


def found_in(environ: Any, answer: Answer) -> GunicornSocket:
    return GunicornSocket(environ["gunicorn.socket"], environ["wsgi.input"], answer.start_response)


@pytest.mark.parametrize("leftover", [b"", b"\x81\x80"])
def test_the_worker_of_gunicorn_gives_its_socket(leftover: bytes) -> None:
    class Body(io.BytesIO):
        reader = FakeUnreader(leftover)

    sock, answer = FakeSocket(), Answer()
    answer.sock = sock
    environ = request(wsgi={"gunicorn.socket": sock, "wsgi.input": Body()})
    found = found_in(environ, answer)
    assert found.socket is sock
    assert not found.is_upgraded
    assert found.switch_protocols([("Upgrade", "websocket")]) == leftover
    assert (answer.status, answer.headers["Upgrade"]) == (101, "websocket")
    assert sock.timeout == 0
    found.give_back()


def test_a_body_of_gunicorn_that_says_nothing_is_no_leftover() -> None:
    answer = Answer()
    answer.sock = FakeSocket()
    environ = request(wsgi={"gunicorn.socket": answer.sock})
    found = found_in(environ, answer)
    assert found.switch_protocols([]) == b""


def test_what_has_arrived_can_be_looked_at_without_tls() -> None:
    plain, tls = FakeSocket(), FakeSocket()
    tls.pending = lambda: 0  # type: ignore[attr-defined]
    for sock, can_peek in ((plain, True), (tls, False)):
        environ = request(wsgi={"gunicorn.socket": sock})
        assert found_in(environ, Answer()).can_peek is can_peek
