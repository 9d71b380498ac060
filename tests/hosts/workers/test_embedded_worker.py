"""``run(workers=…)``: real processes, the official client."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest
import requests

from tests.certificate import Certificate
from tests.hosts.workers.crowd import STEP, Crowd, Forked, crowd, forked, is_alive
from tests.hosts.workers.test_faults import (
    KINDS,
    assert_nothing_is_left_open,
    open_session,
    path,
    poll_url,
    send,
)
from tests.processes import eventually


@pytest.fixture(scope="module")
def server() -> Iterator[Forked]:
    with forked() as running:
        yield running


def replaced(server: Forked, victim: int) -> None:
    """The worker is gone, and another one has its place."""
    before = set(server.workers()) - {victim}
    eventually(lambda: victim not in server.workers(), within=STEP)
    eventually(lambda: len(server.workers()) == 4, within=STEP, what="a new worker")
    assert before < set(server.workers())
    server.wait_until_complete(4)


def test_the_workers_are_one_server(server: Forked) -> None:
    with crowd(server.url, 24) as clients:
        clients.assert_one_server(server)


@pytest.mark.parametrize("transports", ["polling", "websocket"])
def test_each_transport_works_by_itself(server: Forked, transports: str) -> None:
    with crowd(server.url, 12, transports) as clients:
        clients.ask("chatter")
        clients.ask("answers", 100)
        clients.ask("stop")
        assert clients.assert_nothing_went_wrong()["reasons"] == {}


@pytest.mark.parametrize("transports", ["polling", "websocket"])
def test_a_worker_that_is_killed_is_replaced_and_its_clients_alone_notice(
    server: Forked, transports: str
) -> None:
    with crowd(server.url, 24, transports) as clients:
        time.sleep(0.5)  # each poller waits in a GET
        pids = clients.ask("pids")
        os.kill(pids[0], signal.SIGKILL)
        replaced(server, pids[0])
        clients.ask("connected")
        own = pids.count(pids[0])
        assert own <= sum(clients.ask("seen")["reasons"].values()) <= own + 1
        assert f"worker {pids[0]} ended by signal 9" in server.stderr


def test_a_worker_that_is_told_to_end_loses_no_client(server: Forked) -> None:
    with crowd(server.url, 24) as clients:
        clients.ask("chatter")
        clients.ask("answers", 50)
        victim = clients.ask("pids")[0]
        os.kill(victim, signal.SIGTERM)
        replaced(server, victim)
        clients.ask("connected")
        clients.ask("answers", 200)
        clients.ask("stop")
        clients.assert_nothing_went_wrong(resets=3)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_requests_of_each_form_arrive_whole(server: Forked, name: str, version: str) -> None:
    if version == "1.0" and name in ("chunked", "expect"):
        return
    head, body = KINDS[name]
    # More than one worker takes: some are elsewhere, wherever the kernel brings a request.
    sids = [open_session(server) for _ in range(12)]
    moved = total(server)
    for sid in sids:
        request = f"POST {path(sid)} HTTP/{version}\r\nHost: x\r\nConnection: close\r\n"
        answer = send(server, request.encode() + head, body, pause=0.01)
        assert answer.count(b"100 Continue") == (name == "expect"), answer
        assert answer.count(b" 200 OK") == 1, answer
        assert answer.endswith(b"ok"), answer
    assert total(server) > moved


def total(server: Forked) -> float:
    """How many connections have been handed over."""
    return float(sum(stats["siblings_handed_over"] for stats in server.all_stats().values()))


def test_sessions_take_turns_on_one_connection(server: Forked) -> None:
    with requests.Session() as http:
        sids = [open_session(server, http) for _ in range(8)]
        for sid in sids * 5:
            assert http.post(poll_url(server, sid), data="4hi", timeout=10).text == "ok"
        large = "4" + "x" * 900_000
        assert http.post(poll_url(server, sids[0]), data=large, timeout=20).text == "ok"
        assert http.get(f"{server.url}/?a=%20b", timeout=10).ok


def test_nothing_is_left_open(server: Forked) -> None:
    assert_nothing_is_left_open(server)


def test_tls_is_passed_through(certificate: Certificate) -> None:
    pair = [str(certificate.certificate), str(certificate.key)]
    trust = {"NODE_EXTRA_CA_CERTS": pair[0]}
    with forked(*pair, workers=3) as server, crowd(server.url, 12, env=trust) as clients:
        clients.ask("chatter")
        clients.ask("answers", 100)
        clients.ask("upgraded")
        clients.ask("stop")
        assert clients.assert_nothing_went_wrong()["reasons"] == {}


def hear_the_end(server: Forked, clients: Crowd) -> list[int]:
    """All clients are told in good order, and all processes end; return the workers."""
    workers = server.workers()
    assert server.wait(20.0) == 0
    assert not [pid for pid in workers if is_alive(pid)]
    assert not server.has_traceback, server.report()
    assert server.stdout.count("run() has returned") == 1
    reasons = clients.ask("seen")["reasons"]
    assert set(reasons) <= {"io server disconnect", "transport close"}
    assert sum(reasons.values()) == 24, reasons
    return workers


@pytest.mark.parametrize("transports", ["polling,websocket", "polling"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_parent_drains_all(transports: str, number: signal.Signals) -> None:
    with forked(workers=3) as server, crowd(server.url, 24, transports) as clients:
        clients.ask("chatter")
        clients.ask("answers", 50)
        clients.ask("stop")
        began = time.monotonic()
        server.signal(number)
        hear_the_end(server, clients)
        assert time.monotonic() - began < 6.0
        assert clients.ask("seen")["late"] == 0


def test_stop_in_a_worker_ends_all() -> None:
    with forked(workers=3) as server, crowd(server.url, 24) as clients:
        clients.ask("emit", 5, "stop")
        hear_the_end(server, clients)


def test_a_second_interrupt_ends_all_at_once() -> None:
    with forked(workers=2) as server, crowd(server.url, 4) as clients:
        clients.ask("emit", 0, "block")
        server.wait_for("^blocking$")
        workers = server.workers()
        server.signal(signal.SIGINT)
        # Its clients have been told, and one worker is held up by its handler.
        eventually(lambda: len(server.workers()) == 1, within=STEP)
        began = time.monotonic()
        server.signal(signal.SIGINT)
        assert server.wait(5.0) == -signal.SIGINT
        eventually(lambda: not any(map(is_alive, workers)))
        assert time.monotonic() - began < 3.0


def test_no_worker_outlives_a_parent_that_is_killed() -> None:
    with forked(workers=3) as server, crowd(server.url, 24) as clients:
        workers = server.workers()
        server.signal(signal.SIGKILL)
        eventually(lambda: not any(map(is_alive, workers)), within=15.0)
        reasons = clients.ask("seen")["reasons"]
        assert set(reasons) <= {"io server disconnect", "transport close"}


def test_workers_that_cannot_begin_end_the_run_with_one_line() -> None:
    with Forked(workers=2, env={"TEST_DIES": "1"}) as server:
        assert server.wait(30.0) == 1
        line = "Workers end as soon as they begin, the last by exit status 3: giving up"
        assert server.stderr.count(line) == 1
        assert not server.has_traceback
        assert "has returned" not in server.stdout
