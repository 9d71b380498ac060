"""Every host as a real process on a real port, with the official client."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import time
from collections.abc import Mapping
from typing import Any

import pytest
import requests
import websocket

from tests.certificate import Certificate
from tests.hosts.conftest import Host
from tests.interop.running import MODES, Runner, start_scenario
from tests.interop.wire import hang_up
from tests.processes import ServerProcess

QUERY = "EIO=4&transport="
FOREIGN = "https://evil.example"


@pytest.fixture
def http(certificate: Certificate) -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # a bundle named in the environment would win
    session.verify = str(certificate.certificate)
    return session


def open_websocket(
    server: ServerProcess, certificate: Certificate, origin: str, **options: Any
) -> websocket.WebSocket:
    return websocket.create_connection(
        f"{server.ws_url}/socket.io/?{QUERY}websocket",
        origin=origin,
        timeout=5,
        **options,
        sslopt={"ca_certs": str(certificate.certificate), "cert_reqs": ssl.CERT_REQUIRED},
    )


@pytest.mark.parametrize("mode", MODES)
def test_the_official_client_works(
    official_client: Runner, server: ServerProcess, mode: str
) -> None:
    official_client.run("smoke", mode, server.url)


def test_the_routes_of_the_app_are_served(server: ServerProcess, http: requests.Session) -> None:
    assert http.get(f"{server.url}/pid", timeout=5).status_code == 200
    assert http.get(f"{server.url}/nowhere", timeout=5).status_code == 404


def test_an_upgrade_is_offered(server: ServerProcess, http: requests.Session) -> None:
    answer = http.get(f"{server.url}/socket.io/?{QUERY}polling", timeout=5)
    assert json.loads(answer.text[1:])["upgrades"] == ["websocket"]


def test_polling_from_a_foreign_origin_is_refused(
    server: ServerProcess, http: requests.Session
) -> None:
    url = f"{server.url}/socket.io/?{QUERY}polling"
    answer = http.get(url, headers={"Origin": FOREIGN}, timeout=5)
    assert answer.status_code == 403
    assert answer.json() == {"code": 4, "message": "Forbidden"}
    assert http.get(url, headers={"Origin": server.url}, timeout=5).status_code == 200


def test_a_websocket_from_a_foreign_origin_is_refused(
    host: Host, server: ServerProcess, certificate: Certificate
) -> None:
    if host.late:
        ws = open_websocket(server, certificate, FOREIGN)
        opcode, _ = ws.recv_data(control_frame=True)
        assert opcode == websocket.ABNF.OPCODE_CLOSE
        hang_up(ws)
        return
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        open_websocket(server, certificate, FOREIGN)
    assert refused.value.status_code == 403


def test_a_websocket_from_the_own_origin_is_welcome(
    server: ServerProcess, certificate: Certificate
) -> None:
    ws = open_websocket(server, certificate, server.url)
    assert str(ws.recv()).startswith('0{"sid":"')
    ws.close()


def test_compression_is_agreed_on_where_the_app_answers_the_handshake(
    host: Host, server: ServerProcess, certificate: Certificate, official_client: Runner
) -> None:
    offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
    ws = open_websocket(server, certificate, server.url, header=[offer])
    agreed = (ws.getheaders() or {}).get("sec-websocket-extensions", "")
    ws.close()
    assert agreed.startswith("permessage-deflate;") is not host.late
    name = "staysPlainAlthoughItOffersCompression" if host.late else "compressesLongTextBothWays"
    official_client.run(name, "upgrade", server.url)


def test_a_client_that_offers_subprotocols_is_served(
    host: Host, server: ServerProcess, official_client: Runner
) -> None:
    if host.late:
        official_client.run("staysOnPollingWithSubprotocols", "upgrade", server.url)
        return
    for mode in ("websocket", "upgrade"):
        official_client.run("getsTheFirstSubprotocolThatItOffers", mode, server.url)


def test_requests_on_a_kept_connection_are_not_delayed(
    server: ServerProcess, http: requests.Session
) -> None:
    """A server without TCP_NODELAY needs 40 ms for each."""
    url = f"{server.url}/socket.io/?{QUERY}polling"
    sid = json.loads(http.get(url, timeout=5).text[1:])["sid"]
    durations = []
    for _ in range(20):
        began = time.monotonic()
        assert http.post(f"{url}&sid={sid}", data=b"3", timeout=5).content == b"ok"
        durations.append(time.monotonic() - began)
    # Only the first ones are acknowledged at once by any kernel, and a busy machine holds up some.
    assert min(durations[10:]) < 0.03


@pytest.mark.parametrize("chunks", [b"\r\n", b"g\r\nhello\r\n0\r\n\r\n", b"5\r\nhello!\r\n"])
def test_a_broken_chunk_gets_a_400_and_ends_connection_and_session(
    host: Host,
    server: ServerProcess,
    http: requests.Session,
    certificate: Certificate,
    chunks: bytes,
) -> None:
    url = f"{server.url}/socket.io/?{QUERY}polling"
    url += "&sid=" + json.loads(http.get(url, timeout=5).text[1:])["sid"]
    target = url.removeprefix(server.url)
    address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
    with contextlib.ExitStack() as stack:
        sock: socket.socket = stack.enter_context(socket.create_connection(address, timeout=5))
        if host.tls:
            context = ssl.create_default_context(cafile=str(certificate.certificate))
            sock = stack.enter_context(context.wrap_socket(sock, server_hostname="127.0.0.1"))
        head = f"POST {target} HTTP/1.1\r\nHost: 127.0.0.1:{address[1]}\r\n"
        sock.sendall(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
        answer = b""
        # The end comes by itself: the client sends nothing more.
        while data := sock.recv(65536):
            answer += data
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert answer.count(b"HTTP/1.1 ") == 1
    assert http.get(url, timeout=5).json() == {"code": 1, "message": "Session ID unknown"}
    assert not server.has_traceback, server.report()


def test_it_ends_in_time_with_a_client_connected(
    host: Host, certificate: Certificate, trust: Mapping[str, str]
) -> None:
    with host.start(certificate) as server:
        name = "staysUntilTheServerIsGone"
        with start_scenario(name, "upgrade", server.url, env=trust) as client:
            client.wait_for("^connected$")
            server.stop()
            assert client.wait() == 0, client.report()
