"""One server in one thread after another, as tests of an application start it."""

from __future__ import annotations

import pytest

from tests.processes import Process, python

PATCHES = {
    "unpatched": "",
    "patched": "from gevent import monkey; monkey.patch_all()",
    "patched without threads": "from gevent import monkey; monkey.patch_all(thread=False)",
}
PROGRAM = """
import time
import gevent
import websocket
from gevent.monkey import get_original
from gevent.pywsgi import WSGIServer
from flask_realtime import Middleware, Server

sleep = get_original("time", "sleep")
io = Server()
app = Middleware(io)

@io.event
def connection(socket):
    socket.join("room")
    print("here", flush=True)

@io.event
def disconnect(socket, reason):
    print("gone:", reason, flush=True)

class Serving:
    # The thread ends with its hub; nothing is closed.
    def __init__(self):
        self.port = 0
        self.ending = self.ended = False
        get_original("_thread", "start_new_thread")(self.run, ())
        wait(lambda: self.port)

    def run(self):
        server = WSGIServer(("127.0.0.1", 0), app, log=None)
        server.start()
        self.port = server.server_port
        while not self.ending:
            gevent.sleep(0.01)
        server.close()
        self.ended = True

    def end(self):
        self.ending = True
        wait(lambda: self.ended)

def wait(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        sleep(0.01)

def at_once(function):
    began = time.monotonic()
    try:
        print(function.__name__, len(function() or ()), flush=True)
    except RuntimeError as error:
        print(function.__name__, "RuntimeError", "has ended" in str(error), flush=True)
    assert time.monotonic() - began < 5

def emit():
    io.to("room").emit("news", 1)

def client(port, kind):
    url = f"ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket"
    ws = websocket.create_connection(url, timeout=10)
    ws.recv()
    ws.send("40")
    ws.recv()
    return ws

clients = []
for _ in range(3):
    serving = Serving()
    clients.append(client(serving.port, "websocket"))
    wait(lambda: len(io.fetch_sockets()) == 1)
    at_once(io.fetch_sockets)
    at_once(emit)
    print("received", clients[-1].recv(), flush=True)
    serving.end()
    wait(lambda: io.hub.is_orphaned)
    at_once(io.fetch_sockets)
    at_once(emit)
io.close()
io.close()
print("closed", io.engine.is_closed, io.engine.clients_count, flush=True)
"""
ROUND = [
    "here",
    "fetch_sockets 1",
    "emit 0",
    'received 42["news",1]',
    "fetch_sockets RuntimeError True",
    "emit RuntimeError True",
]


@pytest.mark.parametrize("patch", PATCHES)
def test_the_next_thread_takes_over_and_nothing_hangs(patch: str) -> None:
    with Process(python("-c", f"{PATCHES[patch]}\n{PROGRAM}")) as process:
        assert process.wait(within=40) == 0, process.report()
        gone = "gone: server shutting down"
        lines = [line for line in process.lines() if line != gone]
        assert lines == [*ROUND * 3, "closed True 0"], process.report()
        assert process.lines().count(gone) >= 2
        assert not process.has_traceback, process.report()
