"""Hosts that run no hub: each request is answered, and the log says what to do."""

from __future__ import annotations

import pytest
import requests

from tests.hosts.conftest import GUNICORN_READY, gunicorn_flags
from tests.processes import ServerProcess, python

WSGIREF = """
from wsgiref.simple_server import WSGIRequestHandler, make_server
from tests.hosts.without_gevent import app
WSGIRequestHandler.log_message = lambda *args: None
server = make_server("127.0.0.1", 0, app)
print("serving at", server.server_port, flush=True)
server.serve_forever()
"""
FLASK = ("-m", "flask", "--app", "tests.hosts.without_gevent:app", "run", "--port", "0")
HOSTS = {
    "gunicorn sync": ("-m", "gunicorn"),
    "gunicorn gthread": ("-m", "gunicorn", "-k", "gthread", "--threads", "2"),
    "wsgiref": ("-c", WSGIREF),
    "flask run": FLASK,
    "flask run without threads": (*FLASK, "--without-threads"),
}
READY = r"(?:Listening at: http://127\.0\.0\.1:|serving at |Running on http://127\.0\.0\.1:)(\d+)"


def start(name: str) -> ServerProcess:
    words = HOSTS[name]
    if "gunicorn" in words:
        words = (*words, "-b", "127.0.0.1:0", *gunicorn_flags(), "tests.hosts.without_gevent:app")
        return ServerProcess(python(*words), ready=GUNICORN_READY)
    return ServerProcess(python(*words), ready=READY)


@pytest.mark.parametrize("name", HOSTS)
def test_each_request_is_answered_and_one_line_says_what_to_do(name: str) -> None:
    with start(name) as server:
        assert requests.get(server.url, timeout=5).text == "page"
        url = f"{server.url}/socket.io/?EIO=4&transport=polling"
        for query in ("", "&sid=a", ""):
            answer = requests.get(url + query, timeout=5)
            assert answer.status_code == 503, answer.text
            assert "gevent" in answer.text
        assert requests.post(f"{url}&sid=a", data="40", timeout=5).status_code == 503
        assert requests.get(server.url, timeout=5).text == "page"
        server.wait_for("start the application with io.run")
        assert server.stderr.count("gunicorn -k gevent") == 1, server.report()
        assert not server.has_traceback, server.report()
