"""What a client said of itself when it connected."""

from __future__ import annotations

import json
import time
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from flask_realtime.engine.session import Session
from flask_realtime.server.handshake import Handshake
from tests.fakes import no_sessions, request
from tests.worlds import ServerWorld


def handshake(auth: Any = None, **more: Any) -> Handshake:
    return Handshake(Session("sid", no_sessions(), request(**more), 1), auth)


def test_headers_are_in_lower_case() -> None:
    given = {"User-Agent": "x/1.0", "X-Forwarded-For": "1.2.3.4", "Content-Type": "text/plain"}
    headers = handshake(headers=given).headers
    assert headers["user-agent"] == "x/1.0"
    assert headers["x-forwarded-for"] == "1.2.3.4"
    assert headers["content-type"] == "text/plain"
    assert headers["host"] == "localhost:5000"


def test_the_time_is_told_twice() -> None:
    before = time.time()
    shake = handshake()
    assert before - 1 <= shake.issued / 1000 <= time.time() + 1
    assert isinstance(shake.issued, int)
    assert parsedate_to_datetime(shake.time).timestamp() == shake.issued // 1000


def test_the_address_is_that_of_the_tcp_peer() -> None:
    shake = handshake(REMOTE_ADDR="10.0.0.7", headers={"X-Forwarded-For": "1.2.3.4"})
    assert shake.address == "10.0.0.7"


@pytest.mark.parametrize(("headers", "xdomain"), [({}, False), ({"Origin": "http://a"}, True)])
def test_a_request_with_an_origin_may_come_from_another(
    headers: dict[str, str], xdomain: bool
) -> None:
    assert handshake(headers=headers).xdomain is xdomain


@pytest.mark.parametrize(("scheme", "secure"), [("http", False), ("https", True)])
def test_tls_is_told(scheme: str, secure: bool) -> None:
    assert handshake(**{"wsgi.url_scheme": scheme}).secure is secure


def test_the_url_has_path_and_query() -> None:
    assert handshake(query="EIO=4&a=b").url == "/socket.io/?EIO=4&a=b"
    assert handshake(query="").url == "/socket.io/"
    assert handshake(query="", SCRIPT_NAME="/app").url == "/app/socket.io/"


def test_the_last_of_two_parameters_counts() -> None:
    assert handshake(query="a=1&b=&a=2&c=%C3%A9").query == {"a": "2", "b": "", "c": "é"}


@pytest.mark.parametrize("auth", [None, {}])
def test_without_auth_there_is_an_empty_dictionary(auth: Any) -> None:
    assert handshake(auth).auth == {}


def test_all_of_it_can_be_carried_by_json() -> None:
    shake = handshake({"token": "x"}, query="a=b")
    values = json.loads(json.dumps(shake.to_dict()))
    assert set(values) == {
        "headers", "time", "address", "xdomain", "secure", "issued", "url", "query", "auth",
    }  # fmt: skip
    assert values["auth"] == {"token": "x"}
    assert values["query"] == {"a": "b"}


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_each_namespace_has_its_own_auth_and_the_first_request(
    server: ServerWorld, transport: str
) -> None:
    server.io.of("/chat")
    client = server.network.client(transport)
    first = client.connect(auth={"token": 1})
    second = client.connect("/chat", auth={"token": 2})
    main, chat = (
        server.io.sockets.sockets[first].handshake,
        server.io.of("/chat").sockets[second].handshake,
    )
    assert (main.auth, chat.auth) == ({"token": 1}, {"token": 2})
    assert main.query == chat.query == {"EIO": "4", "transport": transport}


def test_a_request_that_was_let_go_leaves_all_but_headers(server: ServerWorld) -> None:
    client = server.network.client()
    socket = server.io.sockets.sockets[client.connect(auth={"token": 1})]
    before = socket.handshake.to_dict()
    assert before["headers"]
    socket.conn.forget_request()
    assert socket.handshake.to_dict() == {**before, "headers": {}, "xdomain": False}
    with pytest.raises(RuntimeError, match="forget_request"):
        _ = socket.request
    server.io.of("/chat")
    chat = server.io.of("/chat").sockets[client.connect("/chat")]
    assert chat.handshake.headers == {}
    assert chat.handshake.url == before["url"]
