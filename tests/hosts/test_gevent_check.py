"""Whether a process and a request run on gevent; real hosts are in tests/hosts."""

from __future__ import annotations

import io
import sys
from types import ModuleType
from typing import Any

import gevent
import greenlet
import pytest
from gevent.monkey import get_original

from flask_realtime import Middleware, Server
from flask_realtime.hosts.gevent_check import is_on_hub, refuse_eventlet
from tests.fakes import Answer, request, wait_until

#: What servers without a hub, one request at a time, leave in the environ.
SERVERS: dict[str, dict[str, Any]] = {
    "gunicorn sync": {"SERVER_SOFTWARE": "gunicorn/23.0.0", "gunicorn.socket": None},
    "wsgiref": {"SERVER_SOFTWARE": "WSGIServer/0.2"},
    "uWSGI": {"uwsgi.version": b"2.0.28"},
    "flask run --without-threads": {"werkzeug.socket": None},
    "one that says nothing": {"wsgi.input": io.BufferedReader(io.BytesIO())},
    "threads": {"wsgi.multithread": True},
}


@pytest.mark.parametrize("name", SERVERS)
def test_a_request_at_the_root_of_a_thread_is_refused(name: str) -> None:
    found: list[bool] = []

    def ask() -> None:
        found.append(is_on_hub(request(wsgi=SERVERS[name])))

    get_original("_thread", "start_new_thread")(ask, ())
    wait_until(lambda: found)
    assert found == [False]


def test_a_program_may_call_the_application_itself() -> None:
    """Test clients: what waits in them runs the hub meanwhile."""
    found: list[bool] = []
    get_original("_thread", "start_new_thread")(lambda: found.append(is_on_hub(request())), ())
    wait_until(lambda: found)
    assert found == [True]


def test_a_greenlet_below_the_hub_is_on_it() -> None:
    environ = request(wsgi=SERVERS["gunicorn sync"])
    assert gevent.spawn(is_on_hub, environ).get() is True
    inner = gevent.spawn(lambda: greenlet.greenlet(is_on_hub).switch(environ))
    assert inner.get() is True


def test_a_greenlet_of_another_library_is_not() -> None:
    """eventlet's worker for gunicorn, for instance."""
    found: list[bool] = []

    def ask() -> None:
        environ = request(wsgi=SERVERS["gunicorn sync"])
        found.append(greenlet.greenlet(is_on_hub).switch(environ))

    get_original("_thread", "start_new_thread")(ask, ())
    wait_until(lambda: found)
    assert found == [False]


class Patcher(ModuleType):
    """The module of eventlet that says what is patched."""

    def __init__(self, *names: str) -> None:
        super().__init__("eventlet.patcher")
        self.names = names

    def is_monkey_patched(self, name: str) -> bool:
        return name in self.names


@pytest.mark.parametrize("name", ["socket", "thread", "time", "os", "select"])
def test_what_eventlet_has_patched_is_an_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    middleware = Middleware(Server())
    monkeypatch.setitem(sys.modules, "eventlet.patcher", Patcher(name))
    with pytest.raises(RuntimeError, match=r"eventlet\.monkey_patch\(\).*gevent"):
        Server()
    with pytest.raises(RuntimeError, match=r"eventlet\.monkey_patch\(\)"):
        Answer().fill(middleware, request())


def test_eventlet_that_has_patched_nothing_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "eventlet.patcher", Patcher())
    refuse_eventlet()
    monkeypatch.delitem(sys.modules, "eventlet.patcher")
    refuse_eventlet()
