"""What goes wrong with a worker: its own clients notice, and nothing is mixed up."""

from __future__ import annotations

import grp
import json
import os
import pwd
import random
import re
import resource
import signal
import socket
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import requests
import websocket

from tests.hosts.workers.crowd import STEP, Crowd, Fleet, crowd, fleet
from tests.interop.wire import hang_up
from tests.processes import eventually, free_port


def open_session(server: Fleet, http: requests.Session | None = None) -> str:
    """The id of a new session on long-polling."""
    url = f"{server.url}/socket.io/?EIO=4&transport=polling"
    text = (http or requests).get(url, timeout=10).text
    sid: str = json.loads(text[1:])["sid"]
    return sid


def poll_url(server: Fleet, sid: str) -> str:
    return f"{server.url}/socket.io/?EIO=4&transport=polling&sid={sid}"


def pid_of(server: Fleet, sid: str) -> int:
    """The process of the worker of a session that joins the main namespace."""
    url = poll_url(server, sid)
    assert requests.post(url, data="40", timeout=10).text == "ok"
    text = ""
    while '42["pid",' not in text:
        text += requests.get(url, timeout=10).text
    match = re.search(r'42\["pid",(\d+)\]', text)
    assert match is not None
    return int(match[1])


def kill_the_worker_of_the_first(server: Fleet, clients: Crowd) -> tuple[int, int]:
    """Return how many clients its worker had, and how many noticed."""
    pids = clients.ask("pids")
    victim = pids[0]
    before = server.workers()
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: len(set(server.workers()) - set(before)) == 1, within=STEP)
    server.wait_until_complete(4)
    clients.ask("connected")
    seen = clients.ask("seen")
    return pids.count(victim), sum(seen["reasons"].values())


@pytest.mark.parametrize("transports", ["polling", "websocket"])
def test_a_worker_that_is_killed_takes_its_own_clients_alone(transports: str) -> None:
    with fleet() as server, crowd(server.url, 24, transports) as clients:
        # Each poller waits in a GET, wherever that came in.
        time.sleep(1)
        own, noticed = kill_the_worker_of_the_first(server, clients)
        assert own <= noticed <= own + 1
        clients.ask("chatter")
        clients.ask("answers", 100)
        clients.ask("stop")
        clients.assert_nothing_went_wrong()


def test_answers_keep_their_order_while_workers_are_killed() -> None:
    with fleet() as server, crowd(server.url, 24) as clients:
        clients.ask("chatter")
        clients.ask("answers", 100)
        for _ in range(2):
            # A client that loses its worker in the middle of an upgrade has paused its polling:
            # it notices by the heartbeat alone.
            clients.ask("upgraded")
            kill_the_worker_of_the_first(server, clients)
            clients.ask("answers", 100)
        clients.ask("stop")
        seen = clients.ask("seen")
        assert (seen["wrong"], seen["late"]) == (0, 0), seen


def test_requests_of_a_worker_that_hangs_wait_or_are_told_to_come_again() -> None:
    with fleet(workers=2) as server:
        sids = [open_session(server) for _ in range(12)]
        owners = {sid: pid_of(server, sid) for sid in sids}
        victim = owners[sids[0]]
        (mine, *_) = [sid for sid, pid in owners.items() if pid == victim]
        other = next(sid for sid, pid in owners.items() if pid != victim)
        os.kill(victim, signal.SIGSTOP)
        waiting = []
        try:
            refused = 0
            for _ in range(200):
                sock = socket.create_connection(("127.0.0.1", server.port), 10)
                request = f"POST {poll_url(server, mine)} HTTP/1.1\r\nHost: x\r\n"
                sock.sendall(f"{request}Content-Length: 1\r\n\r\n2".encode())
                waiting.append(sock)
            # Clients of the worker that goes on are served meanwhile.
            assert requests.post(poll_url(server, other), data="2", timeout=10).text == "ok"
            deadline = time.monotonic() + 5
            for sock in waiting:
                sock.settimeout(max(deadline - time.monotonic(), 0.01))
                try:
                    answer = sock.recv(4096)
                except TimeoutError:
                    continue
                assert answer.startswith(b"HTTP/1.1 503 "), answer
                assert b"Retry-After: 1" in answer
                refused += 1
                if refused > 10:
                    break
            assert refused > 0
        finally:
            os.kill(victim, signal.SIGCONT)
            for sock in waiting:
                sock.close()
        assert server.stderr.count("does not take connections") == 1
        eventually(lambda: requests.get(server.url, timeout=10).ok)


def test_forged_ids_are_answered_at_once() -> None:
    with fleet() as server, requests.Session() as http:
        own = open_session(server, http)
        began = time.monotonic()
        for number in range(100):
            for sid in (f"{number:016}dead", f"{number:016}{own[-4:]}", f"{number}/../", "é"):
                answer = http.get(poll_url(server, sid), timeout=10)
                assert (answer.status_code, answer.json()["code"]) == (400, 1)
        assert time.monotonic() - began < 20.0
        assert http.post(poll_url(server, own), data="40", timeout=10).text == "ok"


def test_a_folder_that_is_not_private_is_refused_and_the_workers_go_on_alone(
    tmp_path: Path,
) -> None:
    (tmp_path / f"flask_realtime-{os.geteuid()}").mkdir(mode=0o755)
    with Fleet(workers=2, env={"TMPDIR": str(tmp_path)}) as server:
        eventually(lambda: server.stderr.count("do not share sessions") == 2, within=STEP)
        assert open_session(server)
        server.stop()


def test_a_path_that_is_too_long_is_said_once_for_each_worker(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    with Fleet(workers=2, env={"TMPDIR": str(folder)}) as server:
        eventually(lambda: server.stderr.count("do not share sessions") == 2, within=STEP)
        server.stop()


def test_two_gunicorns_of_one_user_do_not_meet() -> None:
    with fleet(workers=2) as one, fleet(workers=2) as two:
        assert one.stats()["siblings"] == two.stats()["siblings"] == 1
        sid = open_session(one)
        assert requests.get(poll_url(two, sid), timeout=10).status_code == 400


def chatter(server: Fleet) -> None:
    with crowd(server.url, 12) as clients:
        clients.ask("chatter")
        clients.ask("answers", 60)
        clients.ask("stop")
        assert clients.assert_nothing_went_wrong()["reasons"] == {}


def test_each_worker_may_have_a_socket_of_its_own() -> None:
    with fleet("--reuse-port", port=free_port()) as server:
        chatter(server)


def test_workers_may_have_several_listeners(tmp_path: Path) -> None:
    with fleet("-b", "127.0.0.1:0", "-b", f"unix:{tmp_path}/app.sock") as server:
        chatter(server)


def test_one_worker_meets_no_one_and_keeps_no_socket(tmp_path: Path) -> None:
    with Fleet(workers=1, env={"TMPDIR": str(tmp_path)}) as server:
        assert open_session(server)
        assert "siblings" not in server.stats()
        assert list(tmp_path.glob("flask_realtime-*")) == []
        server.stop()


def test_many_workers_are_one_server() -> None:
    with fleet(workers=12) as server, crowd(server.url, 24) as clients:
        clients.ask("chatter")
        clients.ask("answers", 60)
        assert clients.ask("call", 0, "count") == [12, 24]
        clients.ask("stop")
        assert clients.assert_nothing_went_wrong()["reasons"] == {}


def test_workers_of_a_master_with_more_rights_have_a_folder_of_their_own_user() -> None:
    is_root = os.geteuid() == 0
    user = pwd.getpwnam("nobody") if is_root else pwd.getpwuid(os.geteuid())
    # pytest's folders are for the user of the tests alone.
    with TemporaryDirectory() as folder:
        os.chmod(folder, 0o1777)
        group = grp.getgrgid(user.pw_gid).gr_name
        flags = ["--user", user.pw_name, "--group", group, "--worker-tmp-dir", folder]
        with fleet(*flags, "--preload", workers=2, env={"TMPDIR": folder}) as server:
            private = Path(folder, f"flask_realtime-{user.pw_uid}")
            assert [private] == list(Path(folder).glob("flask_realtime-*"))
            assert private.stat().st_uid == user.pw_uid
            assert private.stat().st_mode & 0o777 == 0o700
            # Another user may not reach this interpreter's own files: no more than polls.
            for sid in [open_session(server) for _ in range(4)]:
                for _ in range(4):
                    answer = requests.post(poll_url(server, sid), data="4hi", timeout=10)
                    assert answer.text == "ok"


def send(server: Fleet, *parts: bytes, pause: float = 0.0, answers: int = 1) -> bytes:
    """What a connection answers to these bytes, and whatever comes right behind so many answers."""
    with socket.create_connection(("127.0.0.1", server.port), 10) as sock:
        for part in parts:
            sock.sendall(part)
            time.sleep(pause)
        answer = b""
        try:
            while data := sock.recv(65_536):
                answer += data
                if answer.count(b"\r\n\r\nok") >= answers:
                    sock.settimeout(0.05)
        except TimeoutError:
            pass
        return answer


def path(sid: str) -> str:
    return f"/socket.io/?EIO=4&transport=polling&sid={sid}"


@pytest.fixture(scope="module")
def pair() -> Any:
    with fleet(workers=4) as server:
        yield server


KINDS = {
    "plain": (b"Content-Length: 4\r\n\r\n", b"4hi!"),
    "chunked": (b"Transfer-Encoding: chunked\r\n\r\n", b"2\r\n4h\r\n2\r\ni!\r\n0\r\n\r\n"),
    "half": (b"Content-Length: 4\r\n\r\n4h", b"i!"),
    "expect": (b"Content-Length: 4\r\nExpect: 100-continue\r\n\r\n", b"4hi!"),
    "close": (b"Connection: close\r\nContent-Length: 4\r\n\r\n", b"4hi!"),
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_requests_of_each_form_arrive_whole(pair: Fleet, name: str, version: str) -> None:
    if version == "1.0" and name in ("chunked", "expect"):
        return
    head, body = KINDS[name]
    sids = [open_session(pair) for _ in range(3)]
    for sid in sids * 4:
        request = f"POST {path(sid)} HTTP/{version}\r\nHost: x\r\n".encode() + head
        answer = send(pair, request, body, pause=0.01)
        assert answer.count(b"100 Continue") == (name == "expect"), answer
        assert answer.count(b" 200 OK") == 1, answer
        assert answer.endswith(b"ok"), answer


def test_a_large_body_arrives_whole(pair: Fleet) -> None:
    for sid in [open_session(pair) for _ in range(6)]:
        answer = requests.post(poll_url(pair, sid), data="4" + "x" * 900_000, timeout=20)
        assert answer.text == "ok"


def test_pipelined_requests_of_several_sessions_are_answered_in_order(pair: Fleet) -> None:
    sids = [open_session(pair) for _ in range(8)]
    for _ in range(4):
        data = b"".join(
            f"POST {path(sid)} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n4hi!".encode()
            for sid in sids
        )
        answer = send(pair, data, answers=len(sids))
        assert answer.count(b" 200 OK") == len(sids), answer


def test_sessions_take_turns_on_one_connection(pair: Fleet) -> None:
    with requests.Session() as http:
        sids = [open_session(pair) for _ in range(8)]
        for _ in range(5):
            for sid in sids:
                assert http.post(poll_url(pair, sid), data="4hi", timeout=10).text == "ok"
        # Requests of the application itself go on as well, wherever the connection is now.
        assert http.get(pair.url, timeout=10).ok


def test_nothing_is_left_open(pair: Fleet) -> None:
    assert_nothing_is_left_open(pair)


def assert_nothing_is_left_open(server: Fleet) -> None:
    """Sessions that come to any worker, and end, cost no descriptor."""

    def open_files() -> int:
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in server.workers())

    def use() -> None:
        for sid in [open_session(server) for _ in range(10)]:
            for _ in range(4):
                requests.post(poll_url(server, sid), data="4hi", timeout=10)
            requests.post(poll_url(server, sid), data="1", timeout=10)

    use()
    time.sleep(1)
    before = open_files()
    for _ in range(3):
        use()
    eventually(lambda: open_files() <= before + 3, within=10.0)


def test_a_worker_without_free_descriptors_takes_no_connection_for_another() -> None:
    # gevent prints each accept() that fails: the end is not looked at.
    with Fleet(workers=2) as server:
        server.wait_until_complete(2)
        sids = [open_session(server) for _ in range(10)]
        owners = {sid: pid_of(server, sid) for sid in sids}
        victim = owners[sids[0]]
        _, hard = limits = resource.prlimit(victim, resource.RLIMIT_NOFILE)
        in_use = max(int(name) for name in os.listdir(f"/proc/{victim}/fd")) + 1
        resource.prlimit(victim, resource.RLIMIT_NOFILE, (in_use, hard))
        try:
            for sid in sids * 3:
                try:
                    answer = requests.post(poll_url(server, sid), data="4hi", timeout=3)
                except requests.RequestException:
                    continue  # in the queue of a worker that can accept nothing
                # No session is unknown: its worker lives, even if it takes no connection.
                assert answer.status_code in (200, 503)
        finally:
            resource.prlimit(victim, resource.RLIMIT_NOFILE, limits)
        time.sleep(1.5)

        def works() -> bool:
            sid = open_session(server)
            return all(
                requests.post(poll_url(server, sid), data="4hi", timeout=10).text == "ok"
                for _ in range(6)
            )

        eventually(works, within=STEP)


class Pool:
    """Kept connections, each of which may be at any worker by now."""

    def __init__(self, server: Fleet, count: int) -> None:
        self.server = server
        self.sessions = [requests.Session() for _ in range(count)]
        self.random = random.Random(7)

    def pick(self) -> requests.Session:
        return self.random.choice(self.sessions)


def test_requests_of_a_session_over_any_connection_lose_and_reorder_nothing(
    pair: Fleet,
) -> None:
    pool = Pool(pair, 8)
    sids = [open_session(pair, pool.pick()) for _ in range(6)]
    heard: dict[str, list[int]] = {sid: [] for sid in sids}
    said = dict.fromkeys(sids, 0)
    for sid in sids:
        assert pool.pick().post(poll_url(pair, sid), data="40", timeout=10).text == "ok"

    def listen(sid: str) -> None:
        text = pool.pick().get(poll_url(pair, sid), timeout=10).text
        heard[sid] += [int(n) for n in re.findall(r"43\d+\[\[(\d+)\]\]", text)]

    for _ in range(300):
        sid = pool.random.choice(sids)
        if pool.random.random() < 0.6 or len(heard[sid]) == said[sid]:
            number = said[sid]
            packet = f'42{number}["echo",{number}]'
            assert pool.pick().post(poll_url(pair, sid), data=packet, timeout=10).text == "ok"
            said[sid] += 1
        else:
            listen(sid)
    for sid in sids:
        while len(heard[sid]) < said[sid]:
            listen(sid)
        assert heard[sid] == list(range(said[sid]))
    for http in pool.sessions:
        http.close()


def test_a_session_is_upgraded_by_its_worker_from_any_connection(pair: Fleet) -> None:
    for _ in range(12):
        sid = open_session(pair)
        assert requests.post(poll_url(pair, sid), data="40", timeout=10).text == "ok"
        url = f"{pair.ws_url}/socket.io/?EIO=4&transport=websocket&sid={sid}"
        client = websocket.create_connection(url, timeout=10)
        client.send("2probe")
        assert client.recv() == "3probe"
        client.send("5")
        client.send('421["echo",1]')
        received: str | bytes = ""
        while "431" not in str(received):
            received = client.recv()
        assert received == "431[[1]]"
        hang_up(client)
