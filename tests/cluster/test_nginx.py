"""The nginx configurations of docs/deployment.md, in front of two servers."""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import shutil
from collections.abc import Iterator

import pytest
import requests
import websocket

from tests.interop.running import MODES, Runner, scenario_server
from tests.interop.wire import hang_up
from tests.processes import ROOT, Process, ServerProcess, eventually, free_port, node_package

PAGE = (ROOT / "docs" / "deployment.md").read_text("utf-8")
CONFIGURATIONS = re.findall(r"^```nginx\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
NAMES = ("address", "cookie")
# Without root, in a folder of its own; a client says in a header where it comes from.
FRAME = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
worker_processes 1;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Forwarded-For;
{configuration}
}}
"""
POLLING = "EIO=4&transport=polling"


def nginx() -> str:
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"])
    found = shutil.which("nginx", path=path)
    if found is None:
        pytest.fail(
            "these tests need nginx: it is neither on the PATH nor in /usr/sbin "
            "(apt-get install nginx, brew install nginx, or ./dev test)"
        )
    return found


def user() -> str:
    """Root's nginx would give its work to a user who may not write into our folder."""
    if os.geteuid() != 0:
        return ""
    return f"user {pwd.getpwuid(0).pw_name} {grp.getgrgid(os.getegid()).gr_name};"


@pytest.fixture(scope="module")
def servers() -> Iterator[list[ServerProcess]]:
    with scenario_server() as one, scenario_server() as other:
        yield [one, other]
        for server in (one, other):
            server.stop()


@pytest.fixture(scope="module", params=CONFIGURATIONS, ids=NAMES)
def proxy(
    request: pytest.FixtureRequest,
    servers: list[ServerProcess],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """The URL of nginx."""
    port = free_port()
    configuration = request.param.replace("listen 80;", f"listen 127.0.0.1:{port};")
    for number, server in enumerate(servers, 1):
        configuration = configuration.replace(f"10.0.0.{number}:5000", f"127.0.0.1:{server.port}")
    folder = tmp_path_factory.mktemp("nginx")
    file = folder / "nginx.conf"
    file.write_text(FRAME.format(folder=folder, configuration=configuration, user=user()), "utf-8")
    with Process([nginx(), "-e", "stderr", "-p", str(folder), "-c", str(file)]) as process:
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: answers(url), within=10, what=f"nginx; {process.report()}")
        yield url
        process.terminate()
        assert "[error]" not in process.stderr, process.report()


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/pid", timeout=5).ok
    except requests.ConnectionError:
        return False


class Visitor:
    """A browser with its cookies and its address."""

    def __init__(self, url: str, number: int) -> None:
        self.url = url
        self.http = requests.Session()
        self.http.headers["X-Forwarded-For"] = f"203.0.{number}.7"
        self.sid = json.loads(self.poll()[1:])["sid"]

    @property
    def query(self) -> str:
        return f"{POLLING}&sid={self.sid}" if hasattr(self, "sid") else POLLING

    def poll(self) -> str:
        answer = self.http.get(f"{self.url}/socket.io/?{self.query}", timeout=5)
        assert answer.status_code == 200, answer.text
        return answer.text

    def post(self, packet: str) -> None:
        answer = self.http.post(f"{self.url}/socket.io/?{self.query}", data=packet, timeout=5)
        assert answer.text == "ok"

    def headers(self) -> dict[str, str]:
        found = {"X-Forwarded-For": str(self.http.headers["X-Forwarded-For"])}
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.http.cookies)
        return {**found, "Cookie": cookies} if cookies else found

    def upgrade(self) -> websocket.WebSocket:
        url = self.url.replace("http", "ws", 1)
        ws = websocket.create_connection(
            f"{url}/socket.io/?EIO=4&transport=websocket&sid={self.sid}",
            header=self.headers(),
            timeout=5,
        )
        ws.send("2probe")
        assert ws.recv() == "3probe"
        ws.send("5")
        return ws

    def leave(self) -> None:
        self.post("1")
        self.http.close()


def clients(server: ServerProcess) -> int:
    return int(requests.get(f"{server.url}/clients", timeout=5).text)


def test_both_configurations_are_in_the_documentation() -> None:
    assert len(CONFIGURATIONS) == len(NAMES)


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=NAMES)
def test_quiet_connections_outlive_the_heartbeat(configuration: str) -> None:
    for name in ("proxy_read_timeout", "proxy_send_timeout"):
        found = re.findall(rf"{name} (\d+)s;", configuration)
        assert found
        assert all(int(seconds) > 25 + 20 for seconds in found)


def test_polling_sticks_and_the_visitors_are_spread(
    proxy: str, servers: list[ServerProcess]
) -> None:
    visitors = [Visitor(proxy, number) for number in range(20)]
    assert all(clients(server) > 0 for server in servers)
    for visitor in visitors:
        visitor.post("40")
        assert visitor.poll().startswith("40{")
        for number in range(5):
            visitor.post(f'42["echo",{number}]')
            assert visitor.poll() == f'42["echo",{number}]'
    for visitor in visitors:
        visitor.leave()
    for server in servers:
        eventually(lambda: clients(server) == 0, what="no clients")  # noqa: B023


def test_an_upgrade_reaches_the_server_of_the_session(proxy: str) -> None:
    for number in range(10):
        visitor = Visitor(proxy, number)
        ws = visitor.upgrade()
        ws.send("40")
        assert str(ws.recv()).startswith("40{")
        ws.send('42["echo","here"]')
        assert ws.recv() == '42["echo","here"]'
        hang_up(ws)
        visitor.http.close()


def test_a_websocket_needs_no_session_before_it(proxy: str) -> None:
    url = proxy.replace("http", "ws", 1)
    for number in range(4):
        ws = websocket.create_connection(
            f"{url}/socket.io/?EIO=4&transport=websocket",
            header={"X-Forwarded-For": f"203.0.{number}.7"},
            timeout=5,
        )
        assert str(ws.recv()).startswith("0{")
        hang_up(ws)


@pytest.fixture
def official_client() -> Iterator[Runner]:
    node_package("socket.io-client")
    runner = Runner()
    yield runner
    runner.stop()


# Outside of a browser the client keeps no cookies unless it is told to.
@pytest.mark.parametrize("proxy", CONFIGURATIONS[:1], ids=NAMES[:1], indirect=True)
@pytest.mark.parametrize("mode", MODES)
def test_the_official_client_works(proxy: str, official_client: Runner, mode: str) -> None:
    official_client.run("smoke", mode, proxy)
