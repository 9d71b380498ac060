"""The nginx configurations of examples/deploy and docs/deployment.md, in front of two servers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
import requests
import websocket

from tests.certificate import Certificate, make_certificate
from tests.interop.running import MODES, Runner, scenario_server
from tests.interop.wire import hang_up
from tests.nginx import Proxy, running
from tests.processes import ROOT, ServerProcess, eventually, node_package

PAGE = (ROOT / "docs" / "deployment.md").read_text("utf-8")
EXAMPLE = (ROOT / "examples" / "deploy" / "nginx.conf").read_text("utf-8")
CONFIGURATIONS = [EXAMPLE, *re.findall(r"^```nginx\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)]
NAMES = ("address", "cookie")
#: The addresses of each of the two hosts.
ADDRESSES = (("web1:5000", "10.0.0.1:5000"), ("web2:5000", "10.0.0.2:5000"))
POLLING = "EIO=4&transport=polling"


@pytest.fixture(scope="module")
def servers() -> Iterator[list[ServerProcess]]:
    with scenario_server() as one, scenario_server() as other:
        yield [one, other]
        for server in (one, other):
            server.stop()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module", params=CONFIGURATIONS, ids=NAMES)
def proxy(
    request: pytest.FixtureRequest,
    servers: list[ServerProcess],
    certificate: Certificate,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Proxy]:
    pairs = zip(ADDRESSES, servers, strict=True)
    hosts = {address: server.port for names, server in pairs for address in names}
    folder = tmp_path_factory.mktemp("nginx")
    with running(request.param, hosts, folder, certificate, "/pid") as found:
        yield found


class Visitor:
    """A browser with its cookies and its address."""

    def __init__(self, proxy: Proxy, number: int) -> None:
        self.proxy = proxy
        self.url = proxy.url
        self.http = requests.Session()
        self.http.verify = proxy.verify
        self.http.trust_env = False  # a bundle of the machine would win
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
        ws = websocket.create_connection(
            f"{self.proxy.ws_url}/socket.io/?EIO=4&transport=websocket&sid={self.sid}",
            header=self.headers(),
            sslopt=self.proxy.sslopt,
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


def test_there_are_both_configurations() -> None:
    assert len(CONFIGURATIONS) == len(NAMES)


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=NAMES)
def test_quiet_connections_outlive_the_heartbeat(configuration: str) -> None:
    for name in ("proxy_read_timeout", "proxy_send_timeout"):
        found = re.findall(rf"{name} (\d+)s;", configuration)
        assert found
        assert all(int(seconds) > 25 + 20 for seconds in found)


def test_connections_to_the_servers_are_kept() -> None:
    assert "keepalive 64;" in EXAMPLE
    assert "proxy_http_version 1.1;" in EXAMPLE
    # Without an upgrade no header says that the connection is closed.
    assert re.search(r'map \$http_upgrade \$connection_header \{[^}]*"" "";', EXAMPLE)


def test_polling_sticks_and_the_visitors_are_spread(
    proxy: Proxy, servers: list[ServerProcess]
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


def test_an_upgrade_reaches_the_server_of_the_session(proxy: Proxy) -> None:
    for number in range(10):
        visitor = Visitor(proxy, number)
        ws = visitor.upgrade()
        ws.send("40")
        assert str(ws.recv()).startswith("40{")
        ws.send('42["echo","here"]')
        assert ws.recv() == '42["echo","here"]'
        hang_up(ws)
        visitor.http.close()


def test_a_websocket_needs_no_session_before_it(proxy: Proxy) -> None:
    for number in range(4):
        ws = websocket.create_connection(
            f"{proxy.ws_url}/socket.io/?EIO=4&transport=websocket",
            header={"X-Forwarded-For": f"203.0.{number}.7"},
            sslopt=proxy.sslopt,
            timeout=5,
        )
        assert str(ws.recv()).startswith("0{")
        hang_up(ws)


@pytest.fixture
def official_client(certificate: Certificate) -> Iterator[Runner]:
    node_package("socket.io-client")
    runner = Runner({"NODE_EXTRA_CA_CERTS": str(certificate.certificate)})
    yield runner
    runner.stop()


# Outside of a browser the client keeps no cookies unless it is told to.
@pytest.mark.parametrize("proxy", CONFIGURATIONS[:1], ids=NAMES[:1], indirect=True)
@pytest.mark.parametrize("mode", MODES)
def test_the_official_client_works(proxy: Proxy, official_client: Runner, mode: str) -> None:
    official_client.run("smoke", mode, proxy.url)
