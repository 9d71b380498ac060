"""Without a WSGI server that gives its sockets."""

from __future__ import annotations

from flask_realtime.engine.requests.host import NoHost
from flask_realtime.engine.requests.obstacles import Obstacle
from tests.fakes import Answer, request


def test_there_is_no_socket() -> None:
    assert NoHost().find(request(), Answer().start_response) is None  # type: ignore[func-returns-value]


def test_there_is_no_remedy() -> None:
    assert NoHost().remedy(Obstacle.NO_SOCKET) == ""
