"""The official client under Node and an application whose import alone is this package's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.processes import Process, node, node_package, python

CLIENT = Path(__file__).with_name("client.mjs")


@pytest.mark.parametrize("order", ["apart", "ordered"])
@pytest.mark.parametrize("mode", ["polling", "websocket", "upgrade"])
def test_the_client_sees_what_it_saw_before(mode: str, order: str) -> None:
    tell(python("-m", "tests.flask_socketio.served", order), r"Running on (\S+)", mode, order)


@pytest.mark.parametrize("mode", ["polling", "websocket", "upgrade"])
def test_the_client_sees_the_same_under_gunicorn(mode: str) -> None:
    program = python("-m", "gunicorn", "-k", "gevent", "-b", "127.0.0.1:0")
    program.append("tests.flask_socketio.served:app")
    tell(program, r"Listening at: (\S+)", mode, "apart")


def tell(program: list[str], ready: str, mode: str, order: str) -> None:
    node_package("socket.io-client")
    with Process(program) as server:
        url = server.wait_for(ready).group(1)
        with Process([node(), str(CLIENT), mode, url, order]) as client:
            assert client.wait() == 0, client.report() + server.report()
        assert not server.has_traceback, server.report()
