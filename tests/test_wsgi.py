"""The WSGI middleware: its own path, and everything else."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from gevent.monkey import get_original

from flask_realtime import Middleware, Server
from tests.clients import network_of
from tests.fakes import Answer, request, wait_until

POLLING = "EIO=4&transport=polling"


def behind(environ: Any, start_response: Any) -> list[bytes]:
    """The application behind the middleware."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"behind " + environ["PATH_INFO"].encode()]


def ask(where: str, app: Any = behind, **options: Any) -> Answer:
    with network_of(Middleware(Server(**options), app)) as network:
        return network.request("GET", POLLING, path=where)


@pytest.mark.parametrize(
    "path", ["/", "/other", "/socket.io", "/socket.iox/", "/x/socket.io/", "/socket", ""]
)
def test_other_paths_belong_to_the_application(path: str) -> None:
    assert ask(path).text == f"behind {path}"


@pytest.mark.parametrize("path", ["/socket.io/", "/socket.io/anything"])
def test_what_is_below_the_path_belongs_to_the_server(path: str) -> None:
    assert ask(path).handshake["sid"]


@pytest.mark.parametrize("option", ["/rt", "/rt/"])
def test_the_path_is_an_option(option: str) -> None:
    assert ask("/rt/", path=option).handshake["sid"]
    assert ask("/socket.io/", path=option).text == "behind /socket.io/"


@pytest.mark.parametrize(("slash", "served"), [(True, False), (False, True)])
def test_a_slash_behind_the_path_is_an_option(slash: bool, served: bool) -> None:
    answer = ask("/socket.io", add_trailing_slash=slash)
    assert answer.text.startswith("0{") is served


def test_without_an_application_other_paths_are_not_found() -> None:
    assert ask("/other", None).status == 404


def test_the_environ_is_passed_on_as_it_came() -> None:
    seen: list[Any] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        seen.append(environ)
        return behind(environ, start_response)

    environ = request("POST", "a=b", body=b"body", path="/form")
    Answer().fill(Middleware(Server(), app), environ)
    assert seen == [environ]
    assert environ["wsgi.input"].read() == b"body"


def test_the_javascript_client_is_served_below_the_path(tmp_path: Any) -> None:
    (tmp_path / "socket.io.js").write_text("client")
    answer = ask("/socket.io/socket.io.js", serve_client=str(tmp_path))
    assert answer.text == "client"


def test_a_threading_server_gets_an_explanation(caplog: pytest.LogCaptureFixture) -> None:
    middleware = Middleware(Server(), behind)
    answers: list[Answer] = []

    def serve() -> None:
        for path in ("/socket.io/", "/socket.io/", "/other"):
            environ = request(query=POLLING, path=path, wsgi={"wsgi.multithread": True})
            answers.append(Answer().fill(middleware, environ))

    # A thread of the system: those of the tests are greenlets.
    get_original("_thread", "start_new_thread")(serve, ())
    wait_until(lambda: len(answers) == 3)
    assert [answer.status for answer in answers] == [503, 503, 200]
    assert "gevent" in answers[0].text
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "gevent" in errors[0].getMessage()


def test_what_is_no_server_or_no_application_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="expected a Server, got"):
        Middleware(print)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a WSGI application must be callable, not int"):
        Middleware(Server(), 5)  # type: ignore[arg-type]


def test_pages_of_allowed_origins_may_load_the_javascript_client(tmp_path: Any) -> None:
    """A module script is fetched with CORS, and so is one with an ``integrity`` attribute."""
    (tmp_path / "socket.io.js").write_text("client")
    headers = {"Origin": "https://friend.example"}
    cors = ["https://friend.example"]

    def served(**options: Any) -> Answer:
        app = Middleware(Server(serve_client=str(tmp_path), **options), behind)
        with network_of(app) as network:
            return network.request("GET", "", path="/socket.io/socket.io.js", headers=headers)

    answer = served(cors=cors)
    assert answer.body == b"client"
    assert answer.headers["Access-Control-Allow-Origin"] == "https://friend.example"
    assert sorted(answer.headers.getlist("Vary")) == ["Accept-Encoding", "Origin"]
    assert "Access-Control-Allow-Origin" not in served().headers
    assert served(cors="*").headers["Access-Control-Allow-Origin"] == "*"
