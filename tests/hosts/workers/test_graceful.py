"""Workers that come and go under a crowd of clients, which hardly notice it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hosts.workers.crowd import STEP, Crowd, Fleet, crowd, fleet
from tests.processes import eventually

TRANSPORTS = ["polling,websocket", "polling", "websocket"]
SHUTTING_DOWN = {"io server disconnect", "transport close", "server shutting down"}


def live_on(clients: Crowd, resets: Callable[[], int] = lambda: 1) -> None:
    """The crowd is connected and heard, whatever happened."""
    clients.ask("connected")
    clients.ask("answers", 200)
    clients.ask("stop")
    clients.assert_nothing_went_wrong(resets=resets())


def pid_in(file: Path) -> int:
    """The process that a file names; 0 while a master puts another file into its place."""
    with contextlib.suppress(OSError, ValueError):
        return int(file.read_text())
    return 0


def wait_for_new_workers(server: Fleet, before: list[int], count: int) -> None:
    def done() -> bool:
        now = server.workers()
        return len(now) == count and not set(now) & set(before)

    eventually(done, within=STEP, what="new workers alone")


@pytest.mark.parametrize("transports", TRANSPORTS)
def test_a_reload(transports: str) -> None:
    with fleet() as server, crowd(server.url, 24, transports) as clients:
        clients.ask("chatter")
        clients.ask("answers", 50)
        before = server.workers()
        server.tell_master(signal.SIGHUP)
        wait_for_new_workers(server, before, 4)
        live_on(clients)


@pytest.mark.parametrize("transports", TRANSPORTS)
def test_workers_that_are_added_and_taken_away(transports: str) -> None:
    with fleet() as server, crowd(server.url, 24, transports) as clients:
        clients.ask("chatter")
        server.tell_master(signal.SIGTTIN)
        server.wait_until_complete(5)
        for left in (4, 3, 2):
            server.tell_master(signal.SIGTTOU)
            eventually(lambda: len(server.workers()) == left, within=STEP)  # noqa: B023
            # The next worker may not end before the clients of this one have joined it.
            clients.ask("connected")
        live_on(clients)


@pytest.mark.parametrize("transports", TRANSPORTS)
def test_a_new_master(transports: str, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    with fleet("--pid", str(pid_file)) as server, crowd(server.url, 24, transports) as clients:
        clients.ask("chatter")
        before = server.workers()
        server.tell_master(signal.SIGUSR2)
        eventually(lambda: len(server.workers()) == 8, within=STEP, what="eight workers")
        # One mesh over both masters.
        server.wait_until_complete(8)
        clients.ask("answers", 200)
        server.tell_master(signal.SIGTERM)
        wait_for_new_workers(server, before, 4)
        new = eventually(lambda: pid_in(pid_file) not in (0, server.pid) and pid_in(pid_file))
        try:
            live_on(clients)
        finally:
            os.kill(new, signal.SIGTERM)
            eventually(lambda: not server.workers(), within=STEP)


def test_workers_that_end_after_a_number_of_requests() -> None:
    with (
        fleet("--max-requests", "150", "--max-requests-jitter", "100") as server,
        crowd(server.url, 16, "polling") as clients,
    ):
        clients.ask("chatter")
        eventually(lambda: server.stderr.count("Autorestarting") > 3, within=STEP)
        # A worker may end between the handshake of some clients and their CONNECT, each time.
        live_on(clients, lambda: 3 * server.stderr.count("Autorestarting"))


def test_pollers_that_wait_do_not_hold_up_a_worker_that_stops() -> None:
    with fleet() as server, crowd(server.url, 24, "polling") as clients:
        server.tell_master(signal.SIGTTOU)
        eventually(lambda: len(server.workers()) == 3, within=8.0)
        clients.ask("connected")
        clients.ask("chatter")
        live_on(clients)


def test_the_end_of_all_is_clean() -> None:
    with fleet() as server, crowd(server.url, 24) as clients:
        clients.ask("chatter")
        clients.ask("answers", 100)
        server.terminate(within=20.0)
        assert not re.search("Traceback|exception", server.stderr, re.IGNORECASE)
