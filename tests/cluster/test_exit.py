"""What a process emits right before it ends reaches Redis, though it never serves."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.processes import Process, python
from tests.redis_server import RedisServer

SCRIPT = """
from gevent import monkey; monkey.patch_all()
from flask_realtime import Server
io = Server(adapter={url!r})
for number in range(500):
    io.to("room").emit("news", number)
"""
FUNCTION = """
from gevent import monkey; monkey.patch_all()
import multiprocessing, os, sys
from flask_realtime import Server
io = Server(adapter={url!r})

def work():
    for number in range(500):
        io.emit("news", number)
"""
IN_A_PROCESS = """
process = multiprocessing.get_context("fork").Process(target=work)
process.start()
process.join()
"""
AFTER_A_FORK = """
pid = os.fork()
if pid == 0:
    work()
    sys.exit(0)
os.waitpid(pid, 0)
"""
#: Without the patch of threads, each has a hub of its own, which ends with it.
IN_A_THREAD = """
import threading
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""
#: The thread ends in the middle of an outage of Redis, the process after it.
IN_AN_OUTAGE = """
from gevent import monkey; monkey.patch_all(thread=False)
import logging, socket, threading, time
from gevent.event import Event
from flask_realtime import Server
io = Server(adapter={url!r})

class Told(logging.Handler):
    def emit(self, record):
        self.event.set()

def work():
    told = Told()
    told.event = Event()
    logging.getLogger("flask_realtime").addHandler(told)
    for number in range(500):
        io.emit("news", number)
    told.event.wait()

thread = threading.Thread(target=work)
thread.start()
thread.join()
print("the thread has ended", flush=True)
while True:
    try:
        socket.create_connection(("127.0.0.1", {port})).close()
        break
    except OSError:
        time.sleep(0.05)
"""
PROGRAMS = {
    "a script": SCRIPT,
    "a script that exits by itself": SCRIPT + "raise SystemExit(0)\n",
    "multiprocessing": FUNCTION + IN_A_PROCESS,
    "a fork": FUNCTION + AFTER_A_FORK,
    "a thread": FUNCTION.replace("patch_all()", "patch_all(thread=False)") + IN_A_THREAD,
}
#: The command that each adapter publishes with.
FAMILIES = {"redis": "publish", "redis+sharded": "spublish", "redis+streams": "xadd"}


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


def published(server: RedisServer, word: str) -> int:
    """How many commands of that name Redis has executed."""
    stats = server.client.info("commandstats")
    return int(stats.get(f"cmdstat_{word}", {"calls": 0})["calls"])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_is_lost_at_the_end(redis: RedisServer, name: str, family: str) -> None:
    redis.resume()
    redis.client.config_resetstat()
    url = redis.url.replace("redis:", f"{family}:")
    with Process(python("-c", PROGRAMS[name].format(url=url))) as process:
        assert process.wait() == 0, process.report()
        assert published(redis, FAMILIES[family]) == 500, process.report()
        assert process.stderr == ""


def test_what_waits_for_redis_when_its_thread_ends_is_sent_by_the_thread_that_ends_last(
    redis: RedisServer,
) -> None:
    redis.stop()
    try:
        url = redis.url.replace("redis:", "redis+streams:")
        with Process(python("-c", IN_AN_OUTAGE.format(url=url, port=redis.port))) as process:
            process.wait_for("the thread has ended")
            redis.start()
            assert process.wait() == 0, process.report()
            assert published(redis, "xadd") == 500, process.report()
            assert process.stderr == ""
    finally:
        if not redis.is_running:
            redis.start()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_redis_that_does_not_answer_is_not_waited_for_long(
    redis: RedisServer, family: str
) -> None:
    url = redis.url.replace("redis:", f"{family}:")
    program = SCRIPT.format(url=url) + 'print("done", flush=True)\n'
    redis.pause()
    try:
        with Process(python("-c", program)) as process:
            process.wait_for("done")
            began = time.monotonic()
            assert process.wait() == 0, process.report()
            assert time.monotonic() - began < 6
            (line,) = process.stderr.splitlines()
            assert "500 messages were not sent" in line
    finally:
        redis.resume()


@pytest.mark.parametrize("family", FAMILIES)
def test_without_redis_the_process_ends_as_well(family: str) -> None:
    program = SCRIPT.format(url=f"{family}://127.0.0.1:1")
    with Process(python("-c", program)) as process:
        assert process.wait(within=10) == 0, process.report()
        assert "500 messages were not sent" in process.stderr
        assert not process.has_traceback
