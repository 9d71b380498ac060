"""Where Python lacks what only Unix has, the package can be imported and a server be made.

It does not run on Windows: what Windows lacks is taken away before the import.
"""

from __future__ import annotations

import urllib.request

import pytest

from tests.processes import Process, python

PROGRAM = """
import os, signal, socket, sys

# What gevent and Flask need of it themselves is there by now; on Windows they have other ways.
import flask, gevent.monkey, gevent.pywsgi, gevent.socket, gevent.ssl, redis, msgpack

for name in [name for name in dir(signal) if name.startswith(("SIG", "sig", "set"))]:
    if name not in UNIX_HAS_AND_WINDOWS_TOO:
        delattr(signal, name)
for name in ("fork", "forkpty", "register_at_fork", "getuid", "geteuid", "getppid", "killpg",
             "getpgid", "setsid", "uname", "waitstatus_to_exitcode", "sched_getaffinity"):
    if hasattr(os, name):
        delattr(os, name)
if hasattr(socket, "SO_REUSEPORT"):
    del socket.SO_REUSEPORT
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
{body}
"""
#: Python's documentation, "signal": what is available on Windows.
KEPT = """
UNIX_HAS_AND_WINDOWS_TOO = {
    "SIGABRT", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM", "SIG_DFL", "SIG_IGN",
    "signal", "set_wakeup_fd",
}
"""
MAKING = """
import importlib, pkgutil
import flask_realtime
for module in pkgutil.walk_packages(flask_realtime.__path__, "flask_realtime."):
    # gunicorn itself, which its worker class derives from, does not run there.
    if module.name != "flask_realtime.gunicorn":
        importlib.import_module(module.name)
from flask_realtime import Emitter, Middleware, Realtime, Server
io = Realtime(flask.Flask(__name__))
Middleware(Server())
io.close()
print("made", flush=True)
"""
SERVING = """
import gevent, urllib.request
from flask_realtime import Server
io = Server()

@io.engine.on("connection")
def opened(session):
    io.stop()

def behind(environ, start_response):
    start_response("200 OK", [])
    return [b"behind"]

io.run(behind, port=0)
print("run() has returned", flush=True)
"""


@pytest.mark.parametrize(
    ("body", "last"), [(MAKING, "made"), (SERVING, "run() has returned")], ids=["make", "serve"]
)
def test_what_windows_lacks_is_not_needed(body: str, last: str) -> None:
    program = KEPT + PROGRAM.replace("{body}", body)
    with Process(python("-c", program)) as process:
        if body is SERVING:
            port = process.wait_for(r"Running on http://127\.0\.0\.1:(\d+)")[1]
            url = f"http://127.0.0.1:{port}/socket.io/?EIO=4&transport=polling"
            with urllib.request.urlopen(url, timeout=5) as response:
                assert response.status == 200
        assert process.wait() == 0, process.report()
        assert process.lines()[-1] == last
